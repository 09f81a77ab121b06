//! `[passwords]`

use super::section::section;
use super::value::Int;

section! {
    /// What a password must be, and how it is hashed (argon2id).
    pub struct Passwords {
        /// The fewest characters of a new password, in code points.
        min_length: u32 = 15, Int(8, 64);
        /// The most characters of a password, checked before hashing.
        max_length: u32 = 256, Int(64, 1024);
        /// Memory of one hash, in KiB.
        memory_kib: u32 = 47_104, Int(8, 1_048_576);
        /// Passes over that memory.
        iterations: u32 = 1, Int(1, 20);
        /// Lanes of one hash.
        parallelism: u32 = 1, Int(1, 8);
        /// How many hashes run at once; 0 is one fewer than there are cores, at least one.
        hash_threads: u32 = 0, Int(0, 64);
        /// How many more may wait; beyond that a sign-in is answered with 503.
        queue: u32 = 64, Int(0, 10_000);
    }
}
