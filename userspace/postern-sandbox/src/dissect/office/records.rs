//! Records of Excel's two binary forms.

use crate::dissect::octets::number;
use crate::dissect::text::utf16;

/// Excel's old form (MS-XLS 2.1.4): a number and a length of two octets each.
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, length) = (number(self.0, 0, 2)?, number(self.0, 2, 2)? as usize);
        let data = self.0.get(4..4 + length)?;
        self.0 = &self.0[4 + length..];
        Some((id, data))
    }
}

/// Excel's binary form in a ZIP (MS-XLSB 2.1.4): numbers and lengths of growing width.
pub struct Wide<'a>(pub &'a [u8]);

impl Wide<'_> {
    fn number(&mut self, most: usize) -> Option<u64> {
        let mut value = 0;
        for n in 0..most {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(octet & 0x7f) << (7 * n);
            if octet & 0x80 == 0 {
                break;
            }
        }
        Some(value)
    }
}

impl<'a> Iterator for Wide<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, length) = (self.number(2)?, self.number(4)? as usize);
        let (data, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((id, data))
    }
}

/// A text behind its count of letters, and where it ends.
pub fn wide_text(data: &[u8], at: u64) -> Option<(String, u64)> {
    let end = at + 4 + number(data, at, 4)? * 2;
    Some((utf16(data.get(at as usize + 4..usize::try_from(end).ok()?)?), end))
}
