//! Documents and archives that tests and benchmarks make. Nothing in them does anything: they only look like what does.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

pub const SOURCE: &str = "Attribute VB_Name = \"ThisDocument\"\r\nPrivate Sub Document_Open()\r\n  CreateObject(\"WScript.Shell\").Run \"calc\" ' gr\u{fc}ss\r\nEnd Sub\r\n";

/// MS-OVBA 2.4.1 with literal tokens alone: as long as the text and an eighth.
pub fn packed(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for chunk in plain.chunks(3000) {
        let tokens: Vec<u8> = chunk.chunks(8).flat_map(|eight| [&[0][..], eight].concat()).collect();
        out.extend((0xb000 | u16::try_from(tokens.len() - 1).unwrap()).to_le_bytes());
        out.extend(tokens);
    }
    out
}

fn record(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

/// A compound file with one module ([`SOURCE`]), below `root`.
pub fn project(root: &str) -> Vec<u8> {
    project_of(root, &[("ThisDocument", SOURCE)])
}

/// The same with modules by name.
pub fn project_of(root: &str, modules: &[(&str, &str)]) -> Vec<u8> {
    let mut dir = [
        record(0x0003, &1252_u16.to_le_bytes()),
        [&0x0009_u16.to_le_bytes()[..], &4_u32.to_le_bytes(), &[1, 0, 0, 0, 2, 0]].concat(),
        record(0x000f, &u16::try_from(modules.len()).unwrap().to_le_bytes()),
    ]
    .concat();
    for (name, _) in modules {
        let name = name.as_bytes();
        dir.extend(
            [record(0x0019, name), record(0x001a, name), record(0x0032, b"T\0"), record(0x0031, &7_u32.to_le_bytes()), record(0x002b, b"")]
                .concat(),
        );
    }
    dir.extend(record(0x0010, b""));
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_storage_all(format!("{root}/VBA")).unwrap();
    let mut put = |name: &str, octets: &[u8]| file.create_stream(format!("{root}/VBA/{name}")).unwrap().write_all(octets).unwrap();
    put("dir", &packed(&dir));
    for (name, source) in modules {
        let source: Vec<u8> = source.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        put(name, &[&b"pcode--"[..], &packed(&source)].concat());
    }
    file.into_inner().into_inner()
}

/// An office document of these files.
pub fn document(files: &[(&str, &[u8])]) -> Vec<u8> {
    archive(&[&[("[Content_Types].xml", &b"<Types/>"[..])], files].concat(), None)
}

/// A Word document that holds a macro which starts something when it is opened.
pub fn macro_document() -> Vec<u8> {
    document(&[("word/document.xml", b"<w:document/>"), ("word/vbaProject.bin", &project(""))])
}

pub fn archive(files: &[(&str, &[u8])], password: Option<&str>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default();
        let options = match password {
            Some(password) => options.with_aes_encryption(zip::AesMode::Aes256, password),
            None => options,
        };
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// "MZ", a pointer, "PE": what makes a program one.
pub fn program() -> Vec<u8> {
    let mut program = vec![0_u8; 300];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 64;
    program[64..68].copy_from_slice(b"PE\0\0");
    program
}

/// Octets that no packer makes smaller, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}
