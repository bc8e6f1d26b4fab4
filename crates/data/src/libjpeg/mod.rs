//! JPEG by libjpeg-turbo, which Pillow and torchvision use, through the C interface of `mozjpeg-sys`.
//!
//! libjpeg leaves a function that fails by a call that does not return. Here that call unwinds through libjpeg's frames
//! (compiled for it) to [`guarded`], without the panic hook; the structures are released on the way.
#![allow(
    unsafe_code,
    reason = "libjpeg is C; each call's conditions are stated beside it"
)]

mod decode;
mod encode;

use std::any::Any;
use std::ffi::c_int;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, jpeg_std_error};

pub(crate) use decode::{decode, dimensions};
pub use encode::encode_jpeg;

/// The message of an error of libjpeg, on its way up.
struct Failure(String);

/// The longest message of libjpeg, `JMSG_LENGTH_MAX` of its headers.
const MESSAGE: usize = 200;

/// Runs code that calls libjpeg; an error of libjpeg becomes `Err` with its message.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What `work` was changing is owned by it and gone when it unwinds.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(cause) => Err(message(cause)),
    }
}

fn message(cause: Box<dyn Any + Send>) -> String {
    match cause.downcast::<Failure>() {
        Ok(failure) => failure.0,
        Err(_) => "the decoder stopped".to_string(),
    }
}

/// An error manager whose errors unwind, and whose warnings are only counted, as in Pillow.
fn error_manager() -> Box<jpeg_error_mgr> {
    // SAFETY: all fields are numbers, pointers and optional functions, for which zero is valid; `jpeg_std_error` sets them.
    let mut manager: Box<jpeg_error_mgr> = Box::new(unsafe { mem::zeroed() });
    unsafe { jpeg_std_error(&mut manager) };
    manager.error_exit = Some(fail);
    manager.emit_message = Some(count);
    manager
}

#[cold]
extern "C-unwind" fn fail(common: &mut jpeg_common_struct) {
    let mut text = [0u8; MESSAGE];
    // SAFETY: libjpeg calls this with the error manager that it was given, which lives as long as its structure.
    let format = unsafe { common.err.as_ref() }.and_then(|manager| manager.format_message);
    if let Some(format) = format {
        // SAFETY: the C function writes up to MESSAGE bytes into the buffer. The binding declares a shared reference to fewer.
        unsafe {
            let format: unsafe extern "C-unwind" fn(*mut jpeg_common_struct, *mut u8) =
                mem::transmute(format);
            format(common, text.as_mut_ptr());
        }
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    resume_unwind(Box::new(Failure(
        String::from_utf8_lossy(text).into_owned(),
    )));
}

extern "C-unwind" fn count(common: &mut jpeg_common_struct, level: c_int) {
    // SAFETY: as in `fail`.
    if let (true, Some(manager)) = (level < 0, unsafe { common.err.as_mut() }) {
        manager.num_warnings += 1;
    }
}
