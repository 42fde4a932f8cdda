//! Documents of Office with macros that LibreOffice takes over, too: a project with all that MS-OVBA wants, in a package with its types.

#![allow(clippy::unwrap_used, dead_code)]

use std::io::{Cursor, Write};

use crate::support::documents::{archive, packed};

const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const EXCEL: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const PROJECT: &str = "http://schemas.microsoft.com/office/2006/relationships/vbaProject";

/// Modules by name: those of the document itself, and others.
fn project(modules: &[(&str, &str)]) -> Vec<u8> {
    let is_own = |name: &str| name.starts_with("This") || name.starts_with("Sheet");
    let record = |id: u16, data: &[u8]| [&id.to_le_bytes()[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat();
    let wide = |name: &str| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut dir = [
        record(0x0001, &1_u32.to_le_bytes()),
        record(0x0002, &0x409_u32.to_le_bytes()),
        record(0x0003, &1252_u16.to_le_bytes()),
        record(0x0004, b"VBAProject"),
        [&0x0009_u16.to_le_bytes()[..], &4_u32.to_le_bytes(), &[1, 0, 0, 0, 2, 0]].concat(),
        record(0x000f, &u16::try_from(modules.len()).unwrap().to_le_bytes()),
        record(0x0013, &[0xff, 0xff]),
    ]
    .concat();
    let mut listed = String::from("ID=\"{00000000-0000-0000-0000-000000000000}\"\r\n");
    for (name, _) in modules {
        for (id, data) in [(0x0019, name.as_bytes()), (0x0047, &wide(name)), (0x001a, name.as_bytes()), (0x0032, &wide(name))] {
            dir.extend(record(id, data));
        }
        dir.extend(
            [record(0x0031, &7_u32.to_le_bytes()), record(if is_own(name) { 0x0022 } else { 0x0021 }, b""), record(0x002b, b"")].concat(),
        );
        listed += &if is_own(name) { format!("Document={name}/&H00000000\r\n") } else { format!("Module={name}\r\n") };
    }
    dir.extend(record(0x0010, b""));
    let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    file.create_storage("VBA").unwrap();
    let mut put = |name: &str, octets: &[u8]| file.create_stream(name).unwrap().write_all(octets).unwrap();
    put("VBA/dir", &packed(&dir));
    put("VBA/_VBA_PROJECT", &[0xcc, 0x61, 0xff, 0xff, 0, 0, 0]);
    put("PROJECT", listed.as_bytes());
    for (name, source) in modules {
        let source = format!("Attribute VB_Name = \"{name}\"\n{source}\n").replace('\n', "\r\n");
        put(&format!("VBA/{name}"), &[&b"pcode--"[..], &packed(source.as_bytes())].concat());
    }
    file.into_inner().into_inner()
}

/// Types and relations around parts: (path, type, content), and relations of the main part: (kind, target, whether it is elsewhere).
fn package(parts: &[(&str, &str, &str)], relations: &[(&str, &str, bool)], modules: &[(&str, &str)]) -> Vec<u8> {
    let main = parts[0].0;
    let (folder, file) = main.rsplit_once('/').unwrap();
    let kinds: String = parts.iter().map(|(path, kind, _)| format!("<Override PartName=\"/{path}\" ContentType=\"{kind}\"/>")).collect();
    let types = format!(
        "<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"bin\" ContentType=\"application/vnd.ms-office.vbaProject\"/>{kinds}</Types>"
    );
    let relation = |(n, (kind, target, is_outside)): (usize, &(&str, &str, bool))| {
        let mode = if *is_outside { " TargetMode=\"External\"" } else { "" };
        format!("<Relationship Id=\"r{n}\" Type=\"{kind}\" Target=\"{target}\"{mode}/>")
    };
    let is_there = |(_, (kind, ..)): &(usize, &(&str, &str, bool))| *kind != PROJECT || !modules.is_empty();
    let all = |list: &[(&str, &str, bool)]| {
        format!(
            "<Relationships xmlns=\"{RELATIONS}\">{}</Relationships>",
            list.iter().enumerate().filter(is_there).map(relation).collect::<String>()
        )
    };
    let (root, own) = (all(&[(&format!("{OFFICE}/officeDocument"), main, false)]), all(relations));
    let (own_path, project_path) = (format!("{folder}/_rels/{file}.rels"), format!("{folder}/vbaProject.bin"));
    let mut files: Vec<(&str, &[u8])> =
        vec![("[Content_Types].xml", types.as_bytes()), ("_rels/.rels", root.as_bytes()), (&own_path, own.as_bytes())];
    files.extend(parts.iter().map(|(path, _, content)| (*path, content.as_bytes())));
    let project = project(modules);
    if !modules.is_empty() {
        files.push((&project_path, &project));
    }
    archive(&files, None)
}

/// A text of Word. `body`: what stands in `w:body`; `elsewhere`: relations to other places, `r1` on.
pub fn word(body: &str, elsewhere: &[(&str, &str)], modules: &[(&str, &str)]) -> Vec<u8> {
    let kind = match modules {
        [] => "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        _ => "application/vnd.ms-word.document.macroEnabled.main+xml",
    };
    let document = format!("<w:document xmlns:w=\"{WORD}\" xmlns:r=\"{OFFICE}\"><w:body>{body}</w:body></w:document>");
    let kinds: Vec<String> = elsewhere.iter().map(|(kind, _)| format!("{OFFICE}/{kind}")).collect();
    let mut relations = vec![(PROJECT, "vbaProject.bin", false)];
    relations.extend(kinds.iter().zip(elsewhere).map(|(kind, (_, target))| (kind.as_str(), *target, true)));
    package(&[("word/document.xml", kind, &document)], &relations, modules)
}

/// A sheet of Excel. `rows`: what stands in `sheetData`.
pub fn excel(rows: &str, modules: &[(&str, &str)]) -> Vec<u8> {
    let kind = match modules {
        [] => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        _ => "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    };
    let book = format!(
        "<workbook xmlns=\"{EXCEL}\" xmlns:r=\"{OFFICE}\"><workbookPr codeName=\"ThisWorkbook\"/><sheets><sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let sheet = format!("<worksheet xmlns=\"{EXCEL}\"><sheetPr codeName=\"Sheet1\"/><sheetData>{rows}</sheetData></worksheet>");
    let of_sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml";
    let relation = format!("{OFFICE}/worksheet");
    let relations = [(PROJECT, "vbaProject.bin", false), (relation.as_str(), "worksheets/sheet1.xml", false)];
    package(&[("xl/workbook.xml", kind, &book), ("xl/worksheets/sheet1.xml", of_sheet, &sheet)], &relations, modules)
}

/// A paragraph of Word.
pub fn paragraph(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// A field of Word, and what stands in its place.
pub fn field(instruction: &str) -> String {
    let mark = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    format!(
        "<w:p>{}<w:r><w:instrText xml:space=\"preserve\"> {instruction} </w:instrText></w:r>{}<w:r><w:t>Total</w:t></w:r>{}</w:p>",
        mark("begin"),
        mark("separate"),
        mark("end")
    )
}
