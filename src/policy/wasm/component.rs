//! From the bytes of a file to a component that is ready to be instantiated.

use std::fmt::Write;
use std::sync::Arc;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, StoreContextMut};
use wit_component::ComponentEncoder;

use super::bindings::andera::routing::log::Level as GuestLevel;
use super::bindings::exports::andera::routing::{feedback, priority, ranking, setup};
use super::error::{LoadError, NotThere, sentence};
use super::guest_log::{GuestLog, Level, cut};
use super::limits::{FILE_BYTES, Usage};
use super::runtime::Runtime;

const LOG: &str = "andera:routing/log@1.0.0";
const RANKING: &str = "andera:routing/ranking@1.0.0";
const PRIORITY: &str = "andera:routing/priority@1.0.0";
const FEEDBACK: &str = "andera:routing/feedback@1.0.0";
const SETUP: &str = "andera:routing/setup@1.0.0";
/// Interfaces named in an error.
const SHOWN: usize = 5;

/// What a store holds for its guest.
pub(super) struct Host {
    pub(super) usage: Usage,
    pub(super) log: Arc<GuestLog>,
}

/// A policy's code: compiled, its imports and exports checked.
pub(super) struct PolicyCode {
    pub(super) runtime: Arc<Runtime>,
    pub(super) pre: InstancePre<Host>,
    pub(super) ranking: Option<ranking::GuestIndices>,
    pub(super) priority: Option<priority::GuestIndices>,
    pub(super) feedback: Option<feedback::GuestIndices>,
    pub(super) setup: Option<setup::GuestIndices>,
}

impl PolicyCode {
    /// Compiles the file of a policy and checks what it imports and exports. Takes seconds for a large one.
    pub(super) fn compile(runtime: Arc<Runtime>, bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > FILE_BYTES {
            return Err(LoadError::TooLarge { bytes: bytes.len(), limit: FILE_BYTES });
        }
        let encoded;
        let component = match kind(bytes)? {
            FileKind::Component => bytes,
            FileKind::CoreModule => {
                encoded = componentize(bytes)?;
                &encoded
            }
        };
        let engine = runtime.engine();
        let component =
            Component::from_binary(engine, component).map_err(|error| LoadError::NotCompiled(sentence(&error)))?;
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(sentence(&error));
        let linker = link(engine, &component)?;
        let pre = linker.instantiate_pre(&component).map_err(mismatch)?;
        let has = |name| component.get_export_index(None, name).is_some();
        if ![RANKING, PRIORITY, FEEDBACK].into_iter().any(has) {
            return Err(LoadError::NoPolicy(exports(engine, &component)));
        }
        Ok(Self {
            ranking: has(RANKING).then(|| ranking::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            priority: has(PRIORITY).then(|| priority::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            feedback: has(FEEDBACK).then(|| feedback::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            setup: has(SETUP).then(|| setup::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            pre,
            runtime,
        })
    }
}

enum FileKind {
    Component,
    CoreModule,
}

/// By the first eight bytes: a magic word, a version and a layer.
fn kind(bytes: &[u8]) -> Result<FileKind, LoadError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(FileKind::Component),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Ok(FileKind::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

/// The component that a core module describes in its own sections.
fn componentize(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let encode = || ComponentEncoder::default().validate(false).module(module)?.encode();
    encode().map_err(|error| LoadError::NotAComponent(cut(&format!("{error:#}"), 500)))
}

/// Gives a component what it may have: our log, traps for WASI, and nothing else.
fn link(engine: &Engine, component: &Component) -> Result<Linker<Host>, LoadError> {
    let host = |error: wasmtime::Error| LoadError::Host(sentence(&error));
    let mut linker = Linker::new(engine);
    for (name, import) in component.component_type().imports(engine) {
        if name == LOG {
            let write = |mut store: StoreContextMut<'_, Host>, (level, message): (GuestLevel, String)| {
                store.data_mut().log.write(level_of(level), &message);
                Ok(())
            };
            linker.instance(LOG).and_then(|mut log| log.func_wrap("log", write)).map_err(host)?;
        } else if name.starts_with("wasi:") {
            if let ComponentItem::ComponentInstance(instance) = import.ty {
                let mut stub = linker.instance(name).map_err(host)?;
                for (item, export) in instance.exports(engine) {
                    stub_out(&mut stub, name, item, &export.ty).map_err(host)?;
                }
            } else {
                stub_out(&mut linker.root(), name, name, &import.ty).map_err(host)?;
            }
        } else {
            return Err(LoadError::UnknownImport(cut(name, 200)));
        }
    }
    Ok(linker)
}

fn stub_out(
    linker: &mut LinkerInstance<'_, Host>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    /// Of which there is none.
    struct Nothing;
    match item {
        ComponentItem::ComponentFunc(_) => {
            let name_shown = if interface == name { name.to_owned() } else { format!("{interface}#{name}") };
            linker.func_new(name, move |_, _, _, _| Err(NotThere(name_shown.clone()).into()))
        }
        ComponentItem::Resource(_) => linker.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(())),
        // Types need no definition; what else there is, WASI does not have.
        _ => Ok(()),
    }
}

fn level_of(level: GuestLevel) -> Level {
    match level {
        GuestLevel::Debug => Level::Debug,
        GuestLevel::Info => Level::Info,
        GuestLevel::Warn => Level::Warn,
        GuestLevel::Error => Level::Error,
    }
}

/// What a component does export, for somebody who wonders.
fn exports(engine: &Engine, component: &Component) -> String {
    let ty = component.component_type();
    let names: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let mut text = if names.is_empty() { "; it exports nothing".to_owned() } else { "; it exports ".to_owned() };
    text += &cut(&names[..names.len().min(SHOWN)].join(", "), 300);
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}
