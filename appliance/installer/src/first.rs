//! The first site of an appliance, of a few answers; what else it is to be is applied later.

use varde_site::Language;

use crate::{Error, Result, tool};

/// Characters of a password: it stands alone until there is a second factor.
pub const SHORTEST: usize = 12;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    pub language: Language,
    pub name: String,
    pub counties: Vec<String>,
    /// The network where the appliance is; `None`: none yet.
    pub network: Option<FirstNetwork>,
    pub account: String,
    /// As crypt(5) has it.
    pub password_hash: String,
}

/// Card, address and router, as in `[[zone]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstNetwork {
    pub card: String,
    pub address: String,
    /// Empty: nothing is reached outside.
    pub gateway: String,
}

impl First {
    /// `site.toml`, which passes every check; else why not.
    pub fn site(&self) -> Result<String> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let language = match self.language {
            Language::Nb => "nb",
            Language::En => "en",
        };
        let name = quoted(&self.name);
        let counties: Vec<String> = self.counties.iter().map(|county| quoted(county)).collect();
        let (account, hash) = (quoted(&self.account), quoted(&self.password_hash));
        let mut site = format!(
            "version = 1\n\n[site]\nname = {name}\ntitle = {name}\ncounties = [{}]\nlanguage = \"{language}\"\n\n\
             [[account]]\nname = {account}\ntitle = {account}\nrole = \"admin\"\npassword_hash = {hash}\n",
            counties.join(", ")
        );
        if let Some(FirstNetwork {
            card,
            address,
            gateway,
        }) = &self.network
        {
            let title = match self.language {
                Language::Nb => "Drift",
                Language::En => "Operations",
            };
            site += &format!(
                "\n[[zone]]\nname = \"drift\"\ntitle = \"{title}\"\naddress = {}\nuplink = {}\n",
                quoted(address),
                quoted(card)
            );
            if !gateway.is_empty() {
                site += &format!("gateway = {}\n", quoted(gateway));
            }
        }
        check(&site)?;
        Ok(site)
    }
}

/// Whether a site passes the checks, and if not, its first fault.
pub fn check(site: &str) -> Result<()> {
    let Err(findings) = varde_site::parse(site) else {
        return Ok(());
    };
    let count = findings.len();
    let first = |language| {
        let told = findings.first().map(|one| {
            let (text, remedy) = (one.text.get(language), one.remedy.get(language));
            format!("{}: {text}. {remedy}", one.line)
        });
        told.unwrap_or_default()
    };
    Err(Error::refused(
        format!(
            "site.toml har {count} feil. Den første er på linje {}",
            first(Language::Nb)
        ),
        format!(
            "site.toml has {count} faults. The first is on line {}",
            first(Language::En)
        ),
    ))
}

/// SHA-512 of crypt(5), made by a process that is told the password where nobody reads along.
pub fn hash(password: &str) -> Result<String> {
    tool::told("openssl", &["passwd", "-6", "-stdin"], &format!("{password}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> First {
        First {
            language: Language::Nb,
            name: "skien".to_owned(),
            counties: vec!["Telemark".to_owned()],
            network: Some(FirstNetwork {
                card: "eno1".to_owned(),
                address: "10.0.0.5/24".to_owned(),
                gateway: "10.0.0.1".to_owned(),
            }),
            account: "kari".to_owned(),
            password_hash: format!("$6$salt${}", "a".repeat(86)),
        }
    }

    #[test]
    fn few_answers_make_a_site_that_passes_every_check() {
        let site = varde_site::parse(&first().site().unwrap()).unwrap();
        assert_eq!(site.site.name, "skien");
        assert_eq!(site.zones[0].uplink.as_deref(), Some("eno1"));
        assert_eq!(site.zones[0].gateway, Some([10, 0, 0, 1].into()));
        assert_eq!(site.accounts[0].role, varde_site::Role::Admin);
        let mut without = first();
        without.network = None;
        without.language = Language::En;
        without.counties = vec!["Agder \"sør\"".to_owned(), "Vestfold".to_owned()];
        let site = varde_site::parse(&without.site().unwrap()).unwrap();
        assert_eq!(site.zones.len(), 0);
        assert_eq!(site.site.counties, without.counties);
    }

    #[test]
    fn an_answer_that_will_not_do_is_told_in_the_words_of_the_sites_checks() {
        let mut wrong = first();
        wrong.name = "Skien by".to_owned();
        let said = wrong.site().unwrap_err().text();
        assert!(said.en.contains("Skien by") && said.nb.contains("feil"), "{said}");
    }

    #[test]
    fn a_password_becomes_a_hash_that_the_site_takes() {
        let mut made = first();
        made.password_hash = hash("et langt passord").unwrap();
        assert!(made.password_hash.starts_with("$6$"));
        made.site().unwrap();
    }
}
