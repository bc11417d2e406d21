//! A browser: Debian's Chromium without a window, driven by its own protocol (DevTools).

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};
use varde_machine::Tree;
use varde_machine::tree::enter;
use varde_qemu_tests::{Error, Outside, Result, patient};

/// It starts on processors that an emulated appliance has busy.
const START: Duration = Duration::from_mins(2);
const ANSWER: Duration = Duration::from_mins(1);

/// Ended with the test; it has nothing to save.
struct Chromium(Child);

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Browser {
    _chromium: Chromium,
    socket: WebSocket<TcpStream>,
    /// The tab.
    session: String,
    next: u64,
    _profile: tempfile::TempDir,
}

fn late(what: &str, last: impl std::fmt::Display) -> Error {
    Error::Bound {
        what: what.to_owned(),
        bound: ANSWER,
        last: last.to_string(),
    }
}

impl Browser {
    pub fn start(outside: &Outside) -> Result<Self> {
        let tree =
            Tree::new("browser", &["chromium", "fonts-dejavu-core"])?.ensure(|command| {
                match command.stdout(Stdio::null()).status() {
                    Ok(status) if status.success() => Ok(()),
                    other => Err(Error::Setup {
                        what: format!("the tree with Chromium was not made: {other:?}"),
                        remedy: "look at the network and at the mirror in /etc/apt".to_owned(),
                    }),
                }
            })?;
        let profile = tempfile::tempdir().expect("a folder for the browser");
        let log = fs::File::create(profile.path().join("log")).expect("a log for the browser");
        let mut chromium = enter(&tree, "chromium");
        chromium.env("HOME", profile.path());
        chromium.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // The portal's certificate is its own; its fingerprint stands on the console.
            "--ignore-certificate-errors",
            "--remote-debugging-port=0",
            "--window-size=1024,768",
        ]);
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        let chromium = outside
            .enter(&chromium)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Chromium starts");
        let chromium = Chromium(chromium);
        let (port, path) = address(profile.path())?;
        let stream = outside
            .within(|| TcpStream::connect(("127.0.0.1", port)))?
            .expect("Chromium listens where it says");
        stream.set_read_timeout(Some(ANSWER)).expect("a bound");
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = client(url, stream).expect("Chromium speaks DevTools");
        let mut browser = Self {
            _chromium: chromium,
            socket,
            session: String::new(),
            next: 0,
            _profile: profile,
        };
        browser.tab("")?;
        Ok(browser)
    }

    /// A new tab; in a context of its own, such as another person's browser would be, where one is named.
    pub fn tab(&mut self, context: &str) -> Result<()> {
        self.session.clear();
        let mut wanted = json!({ "url": "about:blank" });
        if !context.is_empty() {
            wanted["browserContextId"] = context.into();
        }
        let target = self.call("Target.createTarget", &wanted)?["targetId"].clone();
        let attached = self.call(
            "Target.attachToTarget",
            &json!({ "targetId": target, "flatten": true }),
        )?;
        let session = attached["sessionId"].as_str().unwrap_or_default();
        session.clone_into(&mut self.session);
        // A person who wishes Norwegian.
        let agent = self.eval("navigator.userAgent")?;
        let wish = json!({ "userAgent": agent, "acceptLanguage": "nb-NO,nb" });
        self.call("Emulation.setUserAgentOverride", &wish).map(drop)
    }

    /// As another device would be: nothing is known to it. Back in the old tab after the work.
    pub fn elsewhere<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let here = std::mem::take(&mut self.session);
        let context = self.call("Target.createBrowserContext", &json!({}))?["browserContextId"].clone();
        self.tab(context.as_str().unwrap_or_default())?;
        let done = work(self);
        self.session = here;
        done
    }

    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.socket
            .send(Message::text(message.to_string()))
            .map_err(|error| late(method, error))?;
        loop {
            let said = self.socket.read().map_err(|error| late(method, error))?;
            let Ok(said) = serde_json::from_str::<Value>(&said.into_text().unwrap_or_default()) else {
                continue;
            };
            if said["id"] == id {
                return match said.get("error") {
                    None => Ok(said["result"].clone()),
                    Some(error) => Err(late(method, error)),
                };
            }
        }
    }

    /// What an expression of JavaScript is on the page.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        let wanted = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let said = self.call("Runtime.evaluate", &wanted)?;
        if let Some(wrong) = said.get("exceptionDetails") {
            return Err(late(expression, wrong));
        }
        Ok(said["result"]["value"].clone())
    }

    pub fn go(&mut self, url: &str) -> Result<()> {
        self.call("Page.navigate", &json!({ "url": url })).map(drop)
    }

    /// Until an expression is true.
    pub fn wait(&mut self, expression: &str, bound: Duration) -> Result<()> {
        let bound = patient(bound);
        let end = Instant::now() + bound;
        // A page that is just being left answers nothing.
        while !self
            .eval(&format!("Boolean({expression})"))
            .is_ok_and(|value| value == true)
        {
            if Instant::now() >= end {
                let page = self.eval("document.body?.innerText").unwrap_or_default();
                return Err(Error::Bound {
                    what: expression.to_owned(),
                    bound,
                    last: page.as_str().unwrap_or_default().to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Until the page says this.
    pub fn sees(&mut self, text: &str, bound: Duration) -> Result<()> {
        let text = Value::from(text);
        self.wait(&format!("document.body?.innerText.includes({text})"), bound)
    }

    /// Fills the form that is shown, field by name, and sends it.
    pub fn send(&mut self, fields: &[(&str, &str)]) -> Result<()> {
        for (name, text) in fields {
            let text = Value::from(*text);
            self.eval(&format!(
                "document.querySelector('input[name={name}]').value = {text}"
            ))?;
        }
        self.eval("document.querySelector('form').requestSubmit()")
            .map(drop)
    }

    /// The button of this name.
    pub fn press(&mut self, name: &str) -> Result<()> {
        let name = Value::from(name);
        self.eval(&format!(
            "[...document.querySelectorAll('button')].find((one) => one.textContent === {name}).click()"
        ))
        .map(drop)
    }

    /// A key by its place (`code` of UI Events) and what it gives on the person's keyboard.
    pub fn key(&mut self, code: &str, key: &str) -> Result<()> {
        self.key_is("rawKeyDown", code, key)?;
        self.key_is("keyUp", code, key)
    }

    pub fn key_is(&mut self, what: &str, code: &str, key: &str) -> Result<()> {
        let event = json!({ "type": what, "code": code, "key": key });
        self.call("Input.dispatchKeyEvent", &event).map(drop)
    }

    pub fn picture(&mut self, path: &Path) -> Result<()> {
        let said = self.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        let bytes = STANDARD
            .decode(said["data"].as_str().unwrap_or_default())
            .unwrap_or_default();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder for pictures");
        }
        fs::write(path, bytes).expect("a picture is written");
        Ok(())
    }
}

/// Where it listens, as it writes down.
fn address(profile: &Path) -> Result<(u16, String)> {
    let file = profile.join("DevToolsActivePort");
    let end = Instant::now() + patient(START);
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && let Ok(port) = port.parse()
        {
            return Ok((port, path.trim().to_owned()));
        }
        if Instant::now() >= end {
            let log = fs::read_to_string(profile.join("log")).unwrap_or_default();
            return Err(late("Chromium starts", log));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
