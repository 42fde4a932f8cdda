//! What decoded content says it is, without unpacking anything: first octets, the directory of a zip,
//! names in a PDF, macro streams in Office files. Everything read here is bounded and linear.

mod pdf;
mod zip;

use memchr::memmem;

use crate::message::TrueType;

#[derive(Debug, Default)]
pub struct Content {
    pub true_type: TrueType,
    pub is_encrypted: bool,
    pub member_names: Vec<String>,
    pub has_macros: bool,
    pub pdf_names: Vec<String>,
}

/// Octets at the start in which text is told from binary.
const SAMPLE: usize = 1024;

pub fn inspect(octets: &[u8]) -> Content {
    let mut found = Content { true_type: true_type(octets), ..Content::default() };
    match found.true_type {
        TrueType::Zip => {
            let directory = zip::read(octets);
            found.is_encrypted = directory.is_encrypted;
            if directory.has("[content_types].xml") {
                found.true_type = TrueType::OfficeOpenXml;
                found.has_macros = directory.has_suffix("vbaproject.bin");
            }
            found.member_names = directory.names;
        }
        TrueType::Ole => {
            // Names of streams are UTF-16 in the directory (MS-CFB §2.6.1).
            found.has_macros = has_utf16(octets, "_VBA_PROJECT");
            // An encrypted OOXML file is an OLE file with these two streams (MS-OFFCRYPTO §2.3).
            found.is_encrypted = has_utf16(octets, "EncryptedPackage");
        }
        TrueType::Pdf => found.pdf_names = pdf::names(octets),
        _ => {}
    }
    found
}

fn has_utf16(octets: &[u8], name: &str) -> bool {
    let wide: Vec<u8> = name.bytes().flat_map(|b| [b, 0]).collect();
    memmem::find(octets, &wide).is_some()
}

/// The type by first octets.
pub fn true_type(octets: &[u8]) -> TrueType {
    let is = |magic: &[u8]| octets.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| octets.get(offset..offset + magic.len()) == Some(magic);
    match octets {
        [] => return TrueType::Unknown,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => return TrueType::Zip,
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => return TrueType::Ole,
        [b'M', b'Z', ..] if is_executable(octets) => return TrueType::Executable,
        [0x7f, b'E', b'L', b'F', ..] => return TrueType::Elf,
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => return TrueType::MachO,
        [0x1f, 0x8b, 8, ..] => return TrueType::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => return TrueType::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return TrueType::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return TrueType::Zstd,
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => return TrueType::SevenZip,
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => return TrueType::Rar,
        [b'M', b'S', b'C', b'F', 0, 0, 0, 0, ..] => return TrueType::Cab,
        // A shell link: size of the header and the class id (MS-SHLLINK §2.1).
        [0x4c, 0, 0, 0, 1, 0x14, 2, 0, ..] => return TrueType::Lnk,
        // A OneNote section's GUID (MS-ONESTORE §2.3.1).
        [0xe4, 0x52, 0x5c, 0x7b, 0x8c, 0xd8, 0xa7, 0x4d, ..] => return TrueType::OneNote,
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => return TrueType::Image,
        [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] | [0, 0, 1, 0, ..] => return TrueType::Image,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => return TrueType::Image,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => return TrueType::Image,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => return TrueType::Audio,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => return TrueType::Video,
        [b'I', b'D', b'3', ..] | [b'O', b'g', b'g', b'S', ..] | [b'f', b'L', b'a', b'C', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => {
            return TrueType::Audio;
        }
        [0x1a, 0x45, 0xdf, 0xa3, ..] | [0, 0, 1, 0xba | 0xb3, ..] => return TrueType::Video,
        _ => {}
    }
    if at(4, b"ftyp") {
        return if at(8, b"heic") || at(8, b"avif") || at(8, b"mif1") { TrueType::Image } else { TrueType::Video };
    }
    if at(257, b"ustar") {
        return TrueType::Tar;
    }
    if at(0x8001, b"CD001") || at(0x8801, b"CD001") {
        return TrueType::Iso;
    }
    // Readers find a PDF's head anywhere in the first kilobyte (ISO 32000-1 annex H.3).
    let head = &octets[..octets.len().min(SAMPLE)];
    if memmem::find(head, b"%PDF-").is_some() {
        return TrueType::Pdf;
    }
    // Word opens whatever begins with `{\rt`.
    if is(b"{\\rt") {
        return TrueType::Rtf;
    }
    text_type(head)
}

fn is_executable(octets: &[u8]) -> bool {
    let offset = octets.get(0x3c..0x40).and_then(|b| <[u8; 4]>::try_from(b).ok()).map_or(0, u32::from_le_bytes) as usize;
    // A DOS program without a PE header is one too, a text that begins with MZ is not.
    octets.get(offset..offset.saturating_add(2)).is_some_and(|sign| offset > 0 && matches!(sign, b"PE" | b"NE" | b"LE" | b"LX"))
        || octets.iter().take(64).any(|b| *b == 0)
}

fn text_type(head: &[u8]) -> TrueType {
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if memchr::memchr(0, start).is_some() && !matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return TrueType::Unknown;
    }
    let start = start.trim_ascii_start();
    let lower: Vec<u8> = start.iter().take(SAMPLE).map(u8::to_ascii_lowercase).collect();
    let has = |needle: &[u8]| memmem::find(&lower, needle).is_some();
    if lower.starts_with(b"#!") || lower.starts_with(b"<?php") || lower.starts_with(b"@echo off") || lower.starts_with(b"<job") {
        return TrueType::Script;
    }
    if lower.starts_with(b"begin:vcalendar") {
        return TrueType::Calendar;
    }
    if lower.starts_with(b"<") {
        if lower.starts_with(b"<svg") || (lower.starts_with(b"<?xml") || lower.starts_with(b"<!")) && has(b"<svg") {
            return TrueType::Svg;
        }
        let tags: [&[u8]; 12] = [
            b"<!doctype html",
            b"<html",
            b"<head",
            b"<body",
            b"<script",
            b"<div",
            b"<table",
            b"<meta",
            b"<title",
            b"<p",
            b"<style",
            b"<iframe",
        ];
        if tags.iter().any(|tag| has(tag)) {
            return TrueType::Html;
        }
    }
    let is_field = |name: &[u8]| lower.starts_with(name);
    if is_field(b"received: ") || is_field(b"return-path: ") || is_field(b"from: ") && has(b"\nsubject:") {
        return TrueType::Eml;
    }
    let odd = start.iter().filter(|b| **b < 0x20 && !matches!(**b, b'\t' | b'\r' | b'\n' | 0x0c | 0x1b)).count();
    if odd * 50 > start.len() { TrueType::Unknown } else { TrueType::Text }
}
