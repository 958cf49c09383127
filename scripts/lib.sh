# What the other scripts share; sourced, never run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the tests install and compile once is kept here.
cache=${TESTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/paddock}

# For people: standard output belongs to the program that is started.
say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

build_packages=(libcurl4-openssl-dev libssl-dev zlib1g-dev)
test_packages=(curl gcc g++ nginx openssl python3 python3-venv)
bench_packages=(gcc nginx openssl python3 wrk)
heavy_packages=(buildah docker-compose haproxy iproute2 mmdebstrap "${bench_packages[@]}")

# Installs the named Debian packages that are missing, and says which.
need_packages() {
  local package missing=()
  if ! command -v dpkg-query > /dev/null; then
    say "this is no Debian or Ubuntu: make sure that you have what these hold: $*"
    return
  fi
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || die "missing packages: ${missing[*]}; install them as root"
    root=(sudo)
  fi
  say "installing missing packages: ${missing[*]}"
  "${root[@]}" apt-get update -qq >&2
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

need_swift() {
  command -v swift > /dev/null || die "swift 6.2 or later is needed, see https://www.swift.org/install"
}

# The release binary, and where it is.
build_release() {
  say "building (release)"
  # The standard library inside: one file to hand around, and calls into it that need no table.
  swift build -c release --product paddock --static-swift-stdlib >&2
  binary=$(swift build -c release --show-bin-path)/paddock
}

# A Python environment in the cache with what a file of requirements names; made again when the file changes.
python_environment() {
  local name=$1 requirements=$2 environment=$cache/$1
  if ! cmp -s "$requirements" "$environment/installed.txt"; then
    say "installing $requirements into $environment"
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$environment/installed.txt"
  fi
}

# The files of a Debian 12 in the cache, as an archive: what an image stands on where none can be pulled.
debian_archive() {
  archive=$cache/bookworm.tar
  [ -f "$archive" ] && return
  say "making a Debian for images: $archive"
  mkdir -p "$cache"
  mmdebstrap --quiet --variant=apt --include=ca-certificates bookworm "$archive.part.tar" >&2
  mv "$archive.part.tar" "$archive"
}
