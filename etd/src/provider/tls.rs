//! Why a TLS connection doesn't come about, and what to do about it. Pure.

use std::error::Error as _;
use std::io;

use rustls::{CertificateError, Error};

/// What is wrong with the other side's TLS, in words that say what to do; none if that isn't why the request failed.
pub(crate) fn trouble(error: &reqwest::Error) -> Option<String> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<Error>() {
            return explain(tls);
        }
        // An I/O error gives its inner one's cause for its own, so that the inner one is skipped.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map_or_else(|| cause.source(), |inner| Some(inner));
    }
    None
}

/// None for what another try may mend.
fn explain(error: &Error) -> Option<String> {
    let certificate = match error {
        Error::InvalidMessage(_) => {
            return Some(
                "what answers there doesn't speak TLS; should base_url begin with http:// instead?".to_owned(),
            );
        }
        Error::NoCertificatesPresented => return Some("the server shows no certificate".to_owned()),
        Error::PeerIncompatible(why) => return Some(format!("the server speaks no TLS that is safe ({why:?})")),
        Error::InvalidCertificate(certificate) => certificate,
        _ => return None,
    };
    Some(match certificate {
        CertificateError::UnknownIssuer => {
            "its certificate isn't signed by an authority that is trusted here; if it is \
            one of your own, set SSL_CERT_FILE to a PEM file with that authority's certificate"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; it has to be renewed, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate isn't valid yet; this machine's clock may be wrong".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; is the host in base_url right?".to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        other => format!(
            "its certificate can't be accepted ({other:?}); one that signs itself has to be replaced by one that an \
             authority of yours signs, whose certificate SSL_CERT_FILE then names"
        ),
    })
}
