//! What the machine is called, what time it is there, which keyboard it has, and what its login screen says.

use varde_site::{Language, Site, Text};

use super::{Notice, Tree, file, link};

pub(super) const TIME_FOLDER: &str = "/run/systemd/timesyncd.conf.d";
pub(super) const TIME_PREFIX: &str = "50-varde-";

pub(super) fn render(site: &Site, notice: Notice<'_>, tree: &mut Tree) {
    file(tree, "/etc/hostname", format!("{}\n", site.site.name));
    link(
        tree,
        "/etc/localtime",
        format!("../usr/share/zoneinfo/{}", site.site.timezone),
    );
    file(tree, "/etc/issue", issue(site, notice));
    file(tree, "/etc/vconsole.conf", keyboard(site.site.language));
    let servers = site
        .site
        .dns
        .iter()
        .map(|server| format!("nameserver {server}\n"));
    // Whole also without any: the resolver would else ask the appliance itself, and wait for it.
    file(
        tree,
        "/etc/resolv.conf",
        format!("options timeout:3 attempts:2\n{}", servers.collect::<String>()),
    );
    if !site.site.ntp.is_empty() {
        let servers: Vec<String> = site.site.ntp.iter().map(ToString::to_string).collect();
        file(
            tree,
            format!("{TIME_FOLDER}/{TIME_PREFIX}ntp.conf"),
            format!("[Time]\nNTP={}\n", servers.join(" ")),
        );
    }
}

/// As vconsole.conf(5) has it. The font has the letters of Western Europe and the lines of boxes.
fn keyboard(language: Language) -> String {
    let keymap = match language {
        Language::Nb => "no-latin1",
        Language::En => "us",
    };
    format!("KEYMAP={keymap}\nFONT=lat9w-16\n")
}

/// The login screen comes before anybody could tell what the terminal can show, so it keeps to ASCII.
fn issue(site: &Site, notice: Notice<'_>) -> String {
    let language = site.site.language;
    let mut text = format!(
        "\n{}  -  {}\n",
        plain(&site.site.title),
        plain(&site.site.counties.join(", "))
    );
    if notice.demo {
        let demo = Text::new(
            "Demo: logg inn som \"operator\" (eller \"admin\", \"viewer\") med passordet \"varde-demo\".\nBruk aldri demoen i drift: passordet er kjent av alle.",
            "Demo: log in as \"operator\" (or \"admin\", \"viewer\") with the password \"varde-demo\".\nNever use the demo in production: everybody knows the password.",
        );
        said(&mut text, &demo, language);
    }
    if let Some(problem) = notice.problem {
        said(&mut text, problem, language);
    }
    text.push_str("\nVarde \\l\n");
    text
}

fn said(issue: &mut String, text: &Text, language: Language) {
    for line in text.get(language).lines() {
        issue.push('\n');
        issue.push_str(&plain(line));
    }
    issue.push('\n');
}

/// In ASCII, and without the backslash, which agetty(8) would take for itself.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'æ' => plain.push_str("ae"),
            'ø' => plain.push_str("oe"),
            'å' => plain.push_str("aa"),
            'Æ' => plain.push_str("Ae"),
            'Ø' => plain.push_str("Oe"),
            'Å' => plain.push_str("Aa"),
            '«' | '»' => plain.push('"'),
            '–' | '—' => plain.push('-'),
            '\\' => plain.push('/'),
            c if c.is_ascii_graphic() || c == ' ' => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_screen_is_ascii_and_gives_agetty_no_orders() {
        assert_eq!(plain("Sørøst \\l «Å»\u{1b}[2J č"), "Soeroest /l \"Aa\"?[2J ?");
    }
}
