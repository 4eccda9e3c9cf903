//! What no file may name: one machine's folders, and the hosts of package registries. The words
//! are put together here, so that this file does not have them either.

use super::files::File;

/// Folders of somebody's machine.
const MACHINE_FOLDERS: [&str; 3] =
    [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

/// Hosts that package clients know by themselves.
const REGISTRY_HOSTS: [&str; 10] = [
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.np", "mjs"),
    concat!("npm", "js.com"),
    concat!("crates", ".io"),
    concat!("repo.mav", "en"),
    concat!("repo1.mav", "en"),
    concat!("deb.deb", "ian.org"),
    concat!("proxy.gol", "ang"),
    concat!("huggingface", ".co"),
];

/// Lines that name one of them. Cargo itself writes its registry into its lock file.
pub(crate) fn places(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let place = format!("{}:{}", file.path, index + 1);
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| line.contains(**folder)) {
                complaints.push(format!(
                    "{place}: `{folder}` is a folder of one machine; use a relative path, or a \
                     variable such as $HOME"
                ));
            }
            let host = REGISTRY_HOSTS.iter().find(|host| line.contains(**host));
            if let Some(host) = host.filter(|_| file.name() != "Cargo.lock") {
                complaints
                    .push(format!("{place}: `{host}` is a registry's host; {}", remedy(file)));
            }
        }
    }
    complaints
}

fn remedy(file: &File) -> &'static str {
    match file.name() {
        "package-lock.json" => {
            "make the lock file again with `npm install --omit-lockfile-registry-resolved`"
        }
        _ => "name the package alone: each client knows its registry",
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn machine_folders_and_registry_hosts_are_found() {
        let bad = format!("cd {}me/x\nuse {}\n", MACHINE_FOLDERS[1], REGISTRY_HOSTS[0]);
        let found = places(&[file("docs/a.md", &bad), file("docs/b.md", "cd $HOME/x\n")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("docs/a.md:1"), "{found:?}");
    }

    #[test]
    fn lock_files_are_judged_each_in_its_way() {
        let text = format!("https://{}/x\n", REGISTRY_HOSTS[4]);
        let files = [file("Cargo.lock", &text), file("bindings/node/package-lock.json", &text)];
        let found = places(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("omit-lockfile-registry-resolved"), "{found:?}");
    }
}
