//! One hashing thread's own: the parameters, and the block of memory that every hash reuses.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::phc::{OUTPUT, Phc, SALT};
use super::{Error, PasswordParams, Verified};
use crate::digest::ct_eq;
use crate::entropy::Entropy;
use crate::model::password_policy::{MAX_BYTES, normalised};
use crate::secret::Password;

pub(super) struct Hasher {
    params: PasswordParams,
    entropy: Arc<dyn Entropy>,
    /// Empty until the first hash, so that a server nobody logs in to needs no memory for it.
    memory: Vec<Block>,
}

impl Hasher {
    pub(super) fn new(params: PasswordParams, entropy: Arc<dyn Entropy>) -> Self {
        Self { params, entropy, memory: Vec::new() }
    }

    /// A new PHC string with today's parameters.
    pub(super) fn hash(&mut self, password: &Password) -> Result<String, Error> {
        let mut salt = [0u8; SALT];
        self.entropy.fill(&mut salt).map_err(|_| Error::Entropy)?;
        if password.reveal().len() > MAX_BYTES {
            return Err(Error::Internal);
        }
        let mut phc = Phc::new(&self.params, salt.to_vec(), vec![0; OUTPUT]);
        phc.output = self.derive(password, &phc)?;
        Ok(phc.to_string())
    }

    /// Compares, and makes a new hash if the stored one matches but is weak.
    pub(super) fn verify(&mut self, password: &Password, stored: Option<&str>) -> Result<Verified, Error> {
        // An over-long password never got a hash, and is not worth reading to the end.
        let fits = password.reveal().len() <= MAX_BYTES;
        let phc = stored.and_then(|text| Phc::parse(text, self.params.ceiling_kib)).filter(|_| fits);
        let Some(phc) = phc else {
            let nobody = Phc::new(&self.params, vec![0; SALT], vec![0; OUTPUT]);
            let in_vain = if fits { password.clone() } else { Password::new("") };
            let output = self.derive(&in_vain, &nobody)?;
            // Keeps the work observable; a hash of all zero bits is not going to come.
            std::hint::black_box(ct_eq(&output, &nobody.output));
            return Ok(Verified::Mismatch);
        };
        if !ct_eq(&self.derive(password, &phc)?, &phc.output) {
            return Ok(Verified::Mismatch);
        }
        // A login must not fail because its hash could not be made better.
        let rehash = if phc.is_weaker_than(&self.params) { self.hash(password).ok() } else { None };
        Ok(Verified::Match { rehash })
    }

    /// argon2id of `password` with the parameters, salt and output length of `phc`.
    fn derive(&mut self, password: &Password, phc: &Phc) -> Result<Vec<u8>, Error> {
        let params = Params::new(phc.memory_kib, phc.iterations, phc.parallelism, Some(phc.output.len()))
            .map_err(|_| Error::Internal)?;
        let blocks = params.block_count();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let own = Params::new(self.params.memory_kib, self.params.iterations, self.params.parallelism, None)
            .map_err(|_| Error::Internal)?
            .block_count();
        let text = normalised(password);
        let mut output = vec![0u8; phc.output.len()];
        if blocks > own {
            // A costlier hash of an earlier configuration: its memory is given back at once.
            let mut borrowed = grown(Vec::new(), blocks)?;
            argon2.hash_password_into_with_memory(text.as_bytes(), &phc.salt, &mut output, &mut borrowed)
        } else {
            if self.memory.len() < own {
                self.memory = grown(std::mem::take(&mut self.memory), own)?;
            }
            argon2.hash_password_into_with_memory(text.as_bytes(), &phc.salt, &mut output, &mut self.memory)
        }
        .map_err(|_| Error::Internal)?;
        Ok(output)
    }
}

/// `memory` with `blocks` blocks; an error, not an abort, where there are none to be had.
fn grown(mut memory: Vec<Block>, blocks: usize) -> Result<Vec<Block>, Error> {
    memory.try_reserve_exact(blocks.saturating_sub(memory.len())).map_err(|_| Error::Internal)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}
