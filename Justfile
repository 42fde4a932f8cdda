# Recipes. Call them through ./just, which installs what is missing first.

data := env("POSTERN_DATA", if path_exists(justfile_directory() / "../shared/data") == "true" { justfile_directory() / "../shared/data" } else { "" })
target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
image_cache := env("POSTERN_CACHE", env("HOME", "/root") / ".cache/postern") / "image"
image_out := target / "image"
export POSTERN_DATA := data

# list the recipes
default:
    @just --list --unsorted

# build and start a whole gateway on this machine: SMTP on 2525, trusted SMTP on 2526, console on 8443
run *args: build
    {{target}}/release/postern run {{args}}

# the web console, when something in web-ui/ or the API changed since it was built
[private]
web-ui:
    web-ui/build

# build the gateway (release), with the web console in it
build: web-ui
    cargo build --release --locked --workspace --bins

# the guided tour: a gateway of its own, a client in its own network namespace, Dovecot, and XDP dropping somebody
demo *args: build
    {{target}}/release/demo --postern {{target}}/release/postern {{args}}

# all tests; those that need test data or rights that are missing say what they skipped
test *args: web-ui
    cargo build --locked --workspace --bins --tests
    cargo test --locked --workspace --no-fail-fast {{args}}

# the web console in Debian's Chromium against a real gateway; screenshots in target/web
test-web: build
    WEB_UI_NEEDED=1 web-ui/build
    cd web-ui && POSTERN={{target}}/release/postern OUT={{justfile_directory()}}/target/web ./test

# the pictures of docs/tour.md, from real nodes with invented mail
tour: build
    WEB_UI_NEEDED=1 web-ui/build
    cargo build --release --locked --workspace --bins
    cd web-ui && POSTERN={{target}}/release/postern TOUR={{target}}/release/tour OUT={{justfile_directory()}}/docs/tour ./test tour.mjs

# format, lints, licences and sources of dependencies, layers and file lengths
check:
    cargo fmt --all --check
    cd ebpf/postern-ebpf && cargo fmt --check
    cd fuzz && cargo fmt --check && cargo metadata --locked --format-version 1 > /dev/null
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo deny --offline check bans licenses sources
    cargo test --locked -q --workspace --test architecture

# fuzz one target (smtp_server, mime, headers, packets, feeds, settings, control, ledger, token, dissect, rar, disk, values, yara, words); docs/how-to/fuzz.md
fuzz target seconds="600" *args:
    fuzz/run {{target}} {{seconds}} {{args}}

# benchmarks: smtp, edge or filter beside their peers, interleaved; cluster, sandbox and console against their bars; a table here, JSON in target/bench/
bench what *args: build
    {{ if what == "cluster" { "cargo build --release --locked --workspace --bins --features postern-tests/sim" } else { "true" } }}
    {{target}}/release/bench-{{what}} --postern {{target}}/release/postern --out {{justfile_directory()}}/target/bench {{ if what == "console" { "--web-ui web-ui" } else { "" } }} {{args}}

# a cluster of NODES on this machine to play with: consoles, cables to cut, nodes to kill; --script plays the guided tour
cluster nodes="3" *args: build
    {{target}}/release/cluster {{nodes}} --postern {{target}}/release/postern {{args}}

# accuracy on labelled mail: five folds, the shipped model, the bars (needs a folder with mail-corpus.tar.zst)
corpus folder=data: build
    POSTERN_DATA={{folder}} {{target}}/release/corpus --postern {{target}}/release/postern

# the appliance's init: static, so that it needs nothing in the initramfs
[private]
init:
    RUSTFLAGS="-Ctarget-feature=+crt-static -Clink-arg=-fuse-ld=mold" cargo build --release --locked -p postern-init --target x86_64-unknown-linux-gnu

# the appliance: ISO, qcow2, OVA, raw disk, update (docs/how-to/appliance.md); --dry-run prints the plan
image *args: build init
    {{target}}/release/image build --postern {{target}}/release/postern --cell {{target}}/release/postern-cell --init {{target}}/x86_64-unknown-linux-gnu/release/postern-init --cache {{image_cache}} --out {{image_out}} {{args}}

# ask apt for today's versions of the appliance's packages
image-lock:
    cargo run --release --locked -q -p postern-image -- lock

# boot the appliance in QEMU, serial line on this terminal (--uefi, --secure-boot, --iso, --keep FOLDER)
vm *args: image
    {{target}}/release/image vm {{image_out}} {{args}}

# the appliance under QEMU: firmware, mail, ban, power cut, damaged root, its console in a browser, factory reset, ISO
test-image: image
    WEB_UI_NEEDED=1 web-ui/build
    OUT={{justfile_directory()}}/target/web POSTERN_IMAGE={{image_out}} POSTERN_IMAGE_KEY={{image_cache}}/development.key cargo test --release --locked --workspace --test appliance --test installer -- --test-threads=1 --nocapture

# write the generated files again: settings and symbols reference, OpenAPI
generate: build
    {{target}}/release/postern settings reference > docs/settings.md
    {{target}}/release/postern symbols reference > docs/symbols.md
    {{target}}/release/postern openapi > docs/openapi.json
