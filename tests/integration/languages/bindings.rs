//! The bindings that new projects in C come with.

use std::collections::BTreeMap;
use std::fs;

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::repository;

const FOLDER: &str = "templates/policy/c/bindings";

/// What the generator makes of the interface and the world of new projects.
fn generated() -> BTreeMap<String, Vec<u8>> {
    let mut resolve = Resolve::default();
    for file in ["wit/routing.wit", "templates/policy/world.wit"] {
        resolve.push_str(file, &fs::read_to_string(repository(file)).unwrap()).unwrap();
    }
    let (world, _) = resolve.worlds.iter().find(|(_, world)| world.name == "my-policy").unwrap();
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files).unwrap();
    files.iter().map(|(name, content)| (name.to_owned(), content.to_owned())).collect()
}

#[test]
fn the_bindings_of_new_projects_in_c_are_those_of_the_interface() {
    let folder = repository(FOLDER);
    let generated = generated();
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        for (name, content) in &generated {
            fs::write(folder.join(name), content).unwrap();
        }
    }
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    let kept: BTreeMap<_, _> = fs::read_dir(&folder).unwrap().map(|entry| read(entry.unwrap())).collect();
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&generated));
    for (name, content) in &generated {
        let update = "UPDATE_BINDINGS=1 cargo test --test integration bindings";
        assert!(kept[name] == *content, "{FOLDER}/{name} is out of date: {update}");
    }
}
