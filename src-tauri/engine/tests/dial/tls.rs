//! The person's own trust and own certificate, from files; what is wrong with one is told with its name.

use std::path::Path;
use std::process::Command;

use heartwire_core::settings::{ClientCertificate, TlsSettings};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::tls::{TlsConfig, TlsConfigs};
use rcgen::{BasicConstraints, IsCa, KeyPair};
use rustls::ServerConfig;
use tempfile::TempDir;
use xtask::test::lacks;

use crate::pki::{Authority, Signed, self_signed, shown, tls_server, written};
use crate::rig::listener;
use crate::{cause, fails, heard, to};

/// Starts a server and makes the request to it.
async fn served(config: ServerConfig, tls: TlsSettings) -> DialRequest {
    let (listener, port) = listener().await;
    tls_server(listener, config);
    DialRequest { tls: TlsConfig::of(tls), ..to(&format!("wss://localhost:{port}/")) }
}

/// Why these settings cannot work, found out before the server hears of it.
async fn wrong(tls: TlsSettings) -> String {
    let (_server, port) = listener().await;
    let (code, text) = fails(&DialRequest { tls: TlsConfig::of(tls), ..to(&format!("wss://localhost:{port}/")) }).await;
    assert_eq!(code, "configuration", "{text}");
    text
}

/// Settings that trust the authority and show this, with both files in the folder.
fn showing(authority: &Authority, folder: &TempDir, signed: &Signed) -> TlsSettings {
    let certificate = written(folder.path(), "me.pem", &signed.certificate.pem());
    let key = written(folder.path(), "me.key", &signed.key.serialize_pem());
    with_client(authority.trusted_in(folder), &certificate, &key)
}

fn with_client(settings: TlsSettings, certificate: &Path, key: &Path) -> TlsSettings {
    let client = Some(ClientCertificate { certificate: shown(certificate), key: shown(key) });
    TlsSettings { client, ..settings }
}

#[tokio::test]
async fn an_authority_of_the_persons_own_is_trusted() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let wanted = served(authority.server_config(&["localhost"]), authority.trusted_in(&folder)).await;
    heard(&wanted).await.unwrap();
    heard(&wanted).await.unwrap();
    let stranger = served(Authority::new("theirs").server_config(&["localhost"]), authority.trusted_in(&folder)).await;
    let text = "the server's certificate is from an authority that this computer does not trust";
    assert_eq!(fails(&stranger).await, cause("tls", text));
}

#[tokio::test]
async fn an_authority_with_the_name_of_a_trusted_one_and_another_key_is_told_as_such() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let other_kind = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    for pretender in [Authority::new("ours"), Authority::with_key("ours", other_kind)] {
        let wanted = served(pretender.server_config(&["localhost"]), authority.trusted_in(&folder)).await;
        let text = "the server's certificate is not signed by the authority that it names";
        assert_eq!(fails(&wanted).await, cause("tls", text));
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_from_a_file_unless_it_is_an_authoritys() {
    let folder = TempDir::new().unwrap();
    let check = async |is_ca: IsCa| {
        let (certificate, config) = self_signed("localhost", is_ca);
        let ca_file = Some(shown(&written(folder.path(), "ca.pem", &certificate.pem())));
        heard(&served(config, TlsSettings { ca_file, ..TlsSettings::default() }).await).await
    };
    check(IsCa::NoCa).await.unwrap();
    check(IsCa::ExplicitNoCa).await.unwrap();
    let cause = check(IsCa::Ca(BasicConstraints::Unconstrained)).await.unwrap_err();
    assert!(cause.text.starts_with("the server's certificate is an authority's own (CA:TRUE)"), "{cause:?}");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let check = async |file: &Path, words: &str| {
        let text = wrong(TlsSettings { ca_file: Some(shown(file)), ..TlsSettings::default() }).await;
        assert_eq!(text, format!("the CA file {} {words}", file.display()));
    };
    let file = |name: &str, text: &str| written(folder.path(), name, text);
    check(&folder.path().join("none"), "cannot be read (No such file or directory (os error 2))").await;
    check(folder.path(), "cannot be read (it is no ordinary file)").await;
    let none = "holds no \"-----BEGIN CERTIFICATE-----\": give a PEM file that does";
    check(&file("empty", ""), none).await;
    check(&file("key", &KeyPair::generate().unwrap().serialize_pem()), none).await;
    check(&file("binary", "\u{1}\u{2}\u{3}"), none).await;
    let damaged = "is damaged: a part of it is not PEM";
    check(&file("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n"), damaged).await;
    check(&file("text", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"), damaged).await;
    let not_one = "holds a certificate that cannot be used (invalid peer certificate: BadEncoding): take it out";
    check(&file("other", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), not_one).await;
    let large = "is larger than 1048576 bytes: give a file of certificates or keys only";
    check(&file("large", &"x".repeat(1 << 21)), large).await;
}

/// Opening it would take for ever.
#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_not_read() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let text = wrong(TlsSettings { ca_file: Some(shown(&pipe)), ..TlsSettings::default() }).await;
    assert_eq!(text, format!("the CA file {} cannot be read (it is no ordinary file)", pipe.display()));
}

#[tokio::test]
async fn a_server_that_asks_is_shown_the_client_certificate() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let asking = || authority.asking_server_config(&["localhost"]);
    let me = authority.sign(&["me"]);
    heard(&served(asking(), showing(&authority, &folder, &me)).await).await.unwrap();

    let nothing = served(asking(), authority.trusted_in(&folder)).await;
    let text = "the server wants a client certificate: give tls.client_certificate and tls.client_key";
    assert_eq!(fails(&nothing).await, cause("tls", text));

    let stranger = Authority::new("theirs").sign(&["me"]);
    let refused = served(asking(), showing(&authority, &folder, &stranger)).await;
    let (code, text) = fails(&refused).await;
    assert_eq!(code, "tls", "{text}");
    assert!(text.starts_with("the server refused this computer's client certificate, or wants one ("), "{text}");
}

#[tokio::test]
async fn the_key_may_be_of_each_usual_kind_and_format() {
    if lacks("the_key_may_be_of_each_usual_kind_and_format", "openssl") {
        return;
    }
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let check = async |make: &str, heading: &str| {
        let key = folder.path().join("made.key");
        openssl(&format!("{make} -out {}", key.display()));
        let text = std::fs::read_to_string(&key).unwrap();
        assert!(text.contains(&format!("-----BEGIN {heading}-----")), "{text}");
        // rcgen reads PKCS #8 only.
        let same = folder.path().join("same.key");
        openssl(&format!("pkcs8 -topk8 -nocrypt -in {} -out {}", key.display(), same.display()));
        let pair = KeyPair::from_pem(&std::fs::read_to_string(&same).unwrap()).unwrap();
        let me = authority.sign_with(&["me"], pair);
        let certificate = written(folder.path(), "me.pem", &me.certificate.pem());
        let settings = with_client(authority.trusted_in(&folder), &certificate, &key);
        let wanted = served(authority.asking_server_config(&["localhost"]), settings).await;
        heard(&wanted).await.unwrap();
    };
    check("genrsa -traditional", "RSA PRIVATE KEY").await;
    check("genpkey -algorithm RSA", "PRIVATE KEY").await;
    check("ecparam -name prime256v1 -genkey -noout", "EC PRIVATE KEY").await;
    check("ecparam -name secp384r1 -genkey", "EC PRIVATE KEY").await;
    check("genpkey -algorithm ED25519", "PRIVATE KEY").await;
}

pub fn openssl(arguments: &str) -> Vec<u8> {
    let run = Command::new("openssl").args(arguments.split(' ')).output().unwrap();
    assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

#[tokio::test]
async fn a_client_certificate_that_cannot_be_used_is_named() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let file = |name: &str, text: &str| written(folder.path(), name, text);
    let me = authority.sign(&["me"]);
    let (certificate, key) = (file("me.pem", &me.certificate.pem()), file("me.key", &me.key.serialize_pem()));
    let check = async |certificate: &Path, key: &Path, words: &str| {
        assert_eq!(wrong(with_client(TlsSettings::default(), certificate, key)).await, words);
    };
    let none = folder.path().join("none");
    let unreadable = "cannot be read (No such file or directory (os error 2))";
    check(&none, &key, &format!("the client certificate {} {unreadable}", none.display())).await;
    check(&certificate, &none, &format!("the client key {} {unreadable}", none.display())).await;
    let no_key = "holds no \"-----BEGIN PRIVATE KEY-----\": give a PEM file that does";
    check(&certificate, &certificate, &format!("the client key {} {no_key}", certificate.display())).await;

    let other = file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let (shown_key, shown_certificate) = (other.display(), certificate.display());
    let words = format!("{shown_key} is not the key of the client certificate {shown_certificate}: give the pair");
    check(&certificate, &other, &words).await;

    let older = |kind: &str| {
        let fields = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF";
        format!("-----BEGIN {kind} PRIVATE KEY-----\n{fields}\n\nAAAA\n-----END {kind} PRIVATE KEY-----\n")
    };
    let newer = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
    for key in [newer, older("RSA"), older("EC"), older("DSA")] {
        has_a_passphrase(&certificate, &file("locked.key", &key)).await;
    }
    let unknown = file("unknown.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let text = wrong(with_client(TlsSettings::default(), &certificate, &unknown)).await;
    assert!(text.contains("cannot be shown with the key") && text.ends_with("Ed25519 key"), "{text}");
}

/// The server is not asked, and the person is told of the passphrase.
async fn has_a_passphrase(certificate: &Path, key: &Path) {
    let text = wrong(with_client(TlsSettings::default(), certificate, key)).await;
    let what = format!("the client key {} has a passphrase", key.display());
    assert!(text.starts_with(&what), "{text}");
}

#[tokio::test]
async fn a_key_with_a_passphrase_is_known_in_each_usual_format() {
    if lacks("a_key_with_a_passphrase_is_known_in_each_usual_format", "openssl") {
        return;
    }
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let certificate = written(folder.path(), "me.pem", &authority.sign(&["me"]).certificate.pem());
    let plain = folder.path().join("plain.key");
    openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {}", plain.display()));
    let key = folder.path().join("locked.key");
    for make in [
        "genrsa -aes128 -passout pass:word -traditional".to_owned(),
        "genrsa -aes128 -passout pass:word".to_owned(),
        format!("ec -aes128 -passout pass:word -in {}", plain.display()),
    ] {
        openssl(&format!("{make} -out {}", key.display()));
        has_a_passphrase(&certificate, &key).await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_at_the_next_dial() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let stranger = Authority::new("theirs").sign(&["me"]);
    let settings = showing(&authority, &folder, &stranger);
    let wanted = served(authority.asking_server_config(&["localhost"]), settings.clone()).await;
    assert_eq!(fails(&wanted).await.0, "tls");
    assert_eq!(showing(&authority, &folder, &authority.sign(&["me"])), settings);
    heard(&wanted).await.unwrap();
    std::fs::remove_file(folder.path().join("me.key")).unwrap();
    assert_eq!(fails(&wanted).await.0, "configuration");
    showing(&authority, &folder, &authority.sign(&["me"]));
    heard(&wanted).await.unwrap();
}

#[tokio::test]
async fn connections_with_the_same_settings_share_one_configuration_until_its_files_change() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let settings = authority.trusted_in(&folder);
    let mut configs = TlsConfigs::default();
    let (one, same) = (configs.of(&settings), configs.of(&settings));
    let client = one.client().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&client, &same.client().await.unwrap()));
    let more = format!("{}{}", authority.pem(), Authority::new("theirs").pem());
    written(folder.path(), "ca.pem", &more);
    let renewed = same.client().await.unwrap();
    assert!(!std::sync::Arc::ptr_eq(&client, &renewed));
    assert!(std::sync::Arc::ptr_eq(&renewed, &one.client().await.unwrap()));
}

#[tokio::test]
async fn ws_reads_no_certificate() {
    let (listener, port) = listener().await;
    let settings = TlsSettings { ca_file: Some("/nowhere/ca.pem".to_owned()), ..TlsSettings::default() };
    let wanted = DialRequest { tls: TlsConfig::of(settings), ..to(&format!("ws://localhost:{port}/")) };
    crate::reaches(&wanted, &listener).await;
}
