//! The form in which a section describes its variables.

/// Defines a section's settings: the struct, and `read`, which fills it from a reader.
///
/// Each field is written `pub field: Type = VARIABLE, kind, "default";`. Its doc comment is also the variable's description in
/// `.env.example`. The default is text, as a person would set it; `"$OTHER"` means the value of a variable further up, `""`
/// none.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $section:ident {
            $(
                $(#[doc = $doc:literal])+
                pub $field:ident: $type:ty = $variable:ident, $kind:expr, $default:literal;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $section {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($variable), "=", $default, "`")]
                pub $field: $type,
            )+
        }

        impl $section {
            /// `None` if any variable was refused.
            pub(super) fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                reader.section(&[$($about),+]);
                $(
                    let $field = reader.read(
                        &$crate::config::reader::Variable {
                            name: stringify!($variable),
                            default: $default,
                            about: &[$($doc),+],
                        },
                        &$kind,
                    );
                )+
                Some(Self { $($field: $field?),+ })
            }
        }
    };
}

pub(super) use section;
