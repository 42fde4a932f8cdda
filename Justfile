# Recipes. Call them through ./just, which installs what is missing first.

data := env("POSTERN_DATA", if path_exists(justfile_directory() / "../shared/data") == "true" { justfile_directory() / "../shared/data" } else { "" })
target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
export POSTERN_DATA := data

# list the recipes
default:
    @just --list --unsorted

# build and start a whole gateway on this machine: SMTP on 2525, trusted SMTP on 2526, console on 8443
run *args: build
    {{target}}/release/postern run {{args}}

# build the gateway (release)
build:
    cargo build --release --locked --workspace --bins

# the guided tour: a gateway of its own, a client in its own network namespace, Dovecot, and XDP dropping somebody
demo *args: build
    {{target}}/release/demo --postern {{target}}/release/postern {{args}}

# all tests; those that need test data or rights that are missing say what they skipped
test *args:
    cargo build --locked --workspace --bins --tests
    cargo test --locked --workspace --no-fail-fast {{args}}

# format, lints, licences and sources of dependencies, layers and file lengths
check:
    cargo fmt --all --check
    cd ebpf/postern-ebpf && cargo fmt --check
    cd fuzz && cargo fmt --check && cargo metadata --locked --format-version 1 > /dev/null
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo deny --offline check bans licenses sources
    cargo test --locked -q --workspace --test architecture

# fuzz one target (smtp_server, mime, headers, packets, feeds, settings, control); docs/how-to/fuzz.md
fuzz target seconds="600" *args:
    fuzz/run {{target}} {{seconds}} {{args}}

# benchmarks: smtp, edge or filter beside their peers, interleaved; cluster against its bars; a table here, JSON in target/bench/
bench what *args: build
    {{ if what == "cluster" { "cargo build --release --locked --workspace --bins --features postern-tests/sim" } else { "true" } }}
    {{target}}/release/bench-{{what}} --postern {{target}}/release/postern --out {{justfile_directory()}}/target/bench {{args}}

# a cluster of NODES on this machine to play with: consoles, cables to cut, nodes to kill; --script plays the guided tour
cluster nodes="3" *args: build
    {{target}}/release/cluster {{nodes}} --postern {{target}}/release/postern {{args}}

# accuracy on labelled mail: five folds, the shipped model, the bars (needs a folder with mail-corpus.tar.zst)
corpus folder=data: build
    POSTERN_DATA={{folder}} {{target}}/release/corpus --postern {{target}}/release/postern

# write the generated files again: settings and symbols reference, OpenAPI
generate: build
    {{target}}/release/postern settings reference > docs/settings.md
    {{target}}/release/postern symbols reference > docs/symbols.md
    {{target}}/release/postern openapi > docs/openapi.json
