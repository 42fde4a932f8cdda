//! Pages that are filled from the top: what has no room left begins the next one.

use pdf_writer::Content;

use super::type_face::{Face, fitted, lines, width};
use super::{LINE, SOFT, fill, show};

/// A4, in points.
pub const PAPER: f32 = 595.0;
pub const HEIGHT: f32 = 842.0;
pub const LEFT: f32 = 50.0;
pub const RIGHT: f32 = PAPER - LEFT;
pub const WIDTH: f32 = RIGHT - LEFT;
const TOP: f32 = HEIGHT - 56.0;
const BOTTOM: f32 = 62.0;

pub struct Flow {
    full: Vec<Content>,
    content: Content,
    y: f32,
}

impl Default for Flow {
    fn default() -> Self {
        Self { full: Vec::new(), content: Content::new(), y: TOP }
    }
}

impl Flow {
    /// Where the last line stands.
    pub fn y(&self) -> f32 {
        self.y
    }

    /// True where nothing stands on the page yet.
    fn is_fresh(&self) -> bool {
        self.y >= TOP
    }

    /// Goes down; at the top of a page there is no need to.
    pub fn down(&mut self, by: f32) {
        if !self.is_fresh() || by <= 0.0 {
            self.y -= by;
        } else {
            self.y -= by.min(14.0);
        }
    }

    /// Begins a page unless so much room is left. True: it did.
    pub fn keep(&mut self, room: f32) -> bool {
        if self.y - room >= BOTTOM || self.is_fresh() {
            return false;
        }
        self.full.push(std::mem::replace(&mut self.content, Content::new()));
        self.y = TOP;
        true
    }

    /// A line below the last one.
    pub fn text(&mut self, face: Face, size: f32, color: [u8; 3], text: &str) {
        self.keep(size);
        self.y -= size;
        let y = self.y;
        self.show(face, size, color, LEFT, y, &fitted(face, size, text, WIDTH));
    }

    /// As many lines as it needs.
    pub fn paragraph(&mut self, size: f32, color: [u8; 3], text: &str) {
        for line in lines(Face::Regular, size, text, WIDTH) {
            self.text(Face::Regular, size, color, &line);
            self.y -= size * 0.3;
        }
    }

    pub fn show(&mut self, face: Face, size: f32, color: [u8; 3], x: f32, y: f32, text: &str) {
        show(&mut self.content, face, size, color, x, y, text);
    }

    /// Text that ends here.
    pub fn show_before(&mut self, face: Face, size: f32, color: [u8; 3], x: f32, y: f32, text: &str) {
        self.show(face, size, color, x - width(face, size, text), y, text);
    }

    /// From the left margin to the right one, or a part of it.
    pub fn line(&mut self, from: f32, to: f32, y: f32) {
        let [r, g, b] = LINE.map(|c| f32::from(c) / 255.0);
        self.content.set_stroke_rgb(r, g, b).set_line_width(0.5).move_to(from, y).line_to(to, y).stroke();
    }

    pub fn block(&mut self, color: [u8; 3], x: f32, y: f32, wide: f32, high: f32) {
        fill(&mut self.content, color);
        self.content.rect(x, y, wide, high).fill_nonzero();
    }

    pub fn finish(mut self) -> Vec<Content> {
        self.full.push(self.content);
        self.full
    }
}

/// What stands below every page.
pub fn foot(content: &mut Content, text: &str, number: &str) {
    const SIZE: f32 = 8.0;
    let room = WIDTH - 60.0;
    show(content, Face::Regular, SIZE, SOFT, LEFT, 36.0, &fitted(Face::Regular, SIZE, text, room));
    show(content, Face::Regular, SIZE, SOFT, RIGHT - width(Face::Regular, SIZE, number), 36.0, number);
}
