//! A few small line plots side by side, as SVG.

use std::fmt::Write;

/// Points in the order of x.
pub struct Line(pub Vec<(f64, f64)>);

pub struct Panel {
    pub title: &'static str,
    pub line: Line,
}

const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 200.0;
/// Left, right, top and bottom of the axes' place in a panel.
const BOX: (f64, f64, f64, f64) = (48.0, 244.0, 30.0, 170.0);

/// Panels whose x is a number of nodes. The dashed line is what linear growth from the first point on would be.
pub fn svg(panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (n, panel) in panels.iter().enumerate() {
        draw(&mut out, panel, WIDTH * n as f64);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel, left: f64) {
    let (x0, x1, y0, y1) = BOX;
    let points = &panel.line.0;
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(1.0, f64::max);
    let (wide, high) = (most(|p| p.0), round_up(most(|p| p.1)));
    let x = |v: f64| x0 + (x1 - x0) * v / wide;
    let y = |v: f64| y1 - (y1 - y0) * v / high;
    // Writing into a String cannot fail.
    let _ = writeln!(out, "<g transform=\"translate({left} 0)\"><text x=\"{x0}\" y=\"16\" font-weight=\"bold\">{}</text>", panel.title);
    let _ = writeln!(out, "<path d=\"M{x0} {y0}V{y1}H{x1}\" fill=\"none\" stroke=\"#444\"/>");
    for (value, at) in [(0.0, y1), (high / 2.0, y(high / 2.0)), (high, y0)] {
        let _ = writeln!(out, "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{value}</text>", x0 - 4.0, at + 3.0);
    }
    for &(nodes, _) in points.iter().filter(|p| p.0 >= 10.0) {
        let _ = writeln!(out, "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{nodes}</text>", x(nodes), y1 + 12.0);
    }
    let _ = writeln!(out, "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">nodes</text>", f64::midpoint(x0, x1), y1 + 25.0);
    if let Some(&(nodes, value)) = points.get(1) {
        // By peers, of which there is one less than nodes; it ends where it leaves the panel.
        let slope = value / (nodes - 1.0);
        let end = wide.min(high / slope + 1.0);
        let _ = writeln!(
            out,
            "<path d=\"M{:.1} {y1}L{:.1} {:.1}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>",
            x(1.0),
            x(end),
            y(slope * (end - 1.0))
        );
    }
    let path: Vec<String> = points.iter().map(|p| format!("{:.1} {:.1}", x(p.0), y(p.1))).collect();
    let _ = writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"#0a62a8\" stroke-width=\"2\"/>", path.join("L"));
    for p in points {
        let _ = writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"#0a62a8\"/>", x(p.0), y(p.1));
    }
    out.push_str("</g>\n");
}

/// The next of 1, 2, 4, 6, 8 or 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0].iter().map(|f| f * power).find(|v| *v >= value).unwrap_or(power * 10.0)
}
