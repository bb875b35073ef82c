//! The released interface never changes.

use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::Resolve;

#[test]
fn the_released_interface_is_what_it_was() {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let (package, _) = resolve.push_path(wit).unwrap();
    // Words may be improved; names, types and their order may not.
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    insta::assert_snapshot!(printer.output.to_string());
}
