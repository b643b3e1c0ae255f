use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rand::RngCore;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const TICKET_LIFE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
pub struct Claims {
    pub sub: String,
    pub exp: u64,
}

pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub fn new(secret: &[u8]) -> Self {
        // Requires `exp`, and checks it.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        Self {
            key: DecodingKey::from_secret(secret),
            validation,
        }
    }

    pub fn verify(&self, token: &str) -> Option<Claims> {
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .ok()?
            .claims;
        (!claims.sub.is_empty()).then_some(claims)
    }
}

/// Tickets that wait for their upgrade. Only hashes are kept: who reads this memory holds no ticket.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<[u8; 32], (String, Instant)>>);

impl Tickets {
    pub fn issue(&self, subject: String) -> String {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        self.0
            .lock()
            .unwrap()
            .insert(hash(&ticket), (subject, Instant::now() + TICKET_LIFE));
        ticket
    }

    /// Uses a ticket up.
    pub fn redeem(&self, ticket: &str) -> Option<String> {
        let (subject, expires) = self.0.lock().unwrap().remove(&hash(ticket))?;
        (Instant::now() < expires).then_some(subject)
    }

    /// Drops tickets that nobody came for.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.0
            .lock()
            .unwrap()
            .retain(|_, (_, expires)| now < *expires);
    }
}

fn hash(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket.as_bytes()).into()
}
