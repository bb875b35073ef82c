//! The nginx to compare with: a plain proxy on one core.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Where it serves `POST /task` without keeping an answer back.
pub(crate) const STREAM_PATH: &str = "/stream";

/// The nginx given, or the installed one.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        // It is started in another folder.
        return path.canonicalize().with_context(|| format!("there is no {}", path.display()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it where the PATH of ordinary users does not look.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|candidate| candidate.is_file())
        .context("nginx is missing; install it (Debian: `apt-get install nginx-light`) or name one with --nginx PATH")
}

/// The command that serves `POST /task` on `address` from the worker on `upstream`, with all its files in `folder`.
pub(crate) fn command(nginx: &Path, folder: &Path, address: SocketAddr, upstream: SocketAddr) -> Result<Command> {
    let settings = folder.join("nginx.conf");
    fs::write(&settings, configuration(folder, address, upstream))
        .context("cannot write the configuration of nginx")?;
    let mut command = Command::new(nginx);
    // Without -e it opens its compiled-in log before it reads the configuration.
    command.arg("-p").arg(folder).args(["-e", "stderr"]).arg("-c").arg(settings);
    Ok(command)
}

/// One worker process, connections kept alive on both sides, nothing logged.
fn configuration(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    # As the balancer: up to 10 MB, in memory.
    client_max_body_size 10m;
    client_body_buffer_size 2m;
    upstream worker {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location = /task {{
            proxy_pass http://worker;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
        location = {STREAM_PATH} {{
            proxy_pass http://worker/task;
            proxy_buffering off;
            # What is read at a time then: by default 4 KB.
            proxy_buffer_size 64k;
            proxy_buffers 4 64k;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}
