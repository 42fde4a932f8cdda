//! AES with a key of any of its lengths, in place. Octets behind the last whole block stay as they are.

use aes::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256, Block};

pub const BLOCK: usize = 16;

/// Each block for itself.
pub fn ecb(key: &[u8], octets: &mut [u8]) -> Option<()> {
    let (blocks, _) = Block::slice_as_chunks_mut(octets);
    match key.len() {
        16 => Aes128::new_from_slice(key).ok()?.decrypt_blocks(blocks),
        24 => Aes192::new_from_slice(key).ok()?.decrypt_blocks(blocks),
        32 => Aes256::new_from_slice(key).ok()?.decrypt_blocks(blocks),
        _ => return None,
    }
    Some(())
}

/// Each block behind the one before it.
pub fn cbc(key: &[u8], first: &[u8], octets: &mut [u8]) -> Option<()> {
    let (blocks, _) = Block::slice_as_chunks_mut(octets);
    match key.len() {
        16 => cbc::Decryptor::<Aes128>::new_from_slices(key, first).ok()?.decrypt_blocks(blocks),
        24 => cbc::Decryptor::<Aes192>::new_from_slices(key, first).ok()?.decrypt_blocks(blocks),
        32 => cbc::Decryptor::<Aes256>::new_from_slices(key, first).ok()?.decrypt_blocks(blocks),
        _ => return None,
    }
    Some(())
}
