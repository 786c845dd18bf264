#!/bin/sh
# Installs mpserv and mpclient for the user who runs it, below ~/.local. It needs no root and never
# asks for it, and installs nothing whose checksum is not the one that was published.
#
#   sh install.sh [--from URL] [--version X.Y.Z] [--prefix DIR]
#
# Exit code: 0 installed, 1 refused, 2 wrong usage.
set -eu

# Filled in by `deno task release`.
from=
version=

say() { printf '%s\n' "install.sh: $*" >&2; }
refuse() { say "$*"; exit 1; }
misuse() {
  say "$*"
  printf '%s\n' 'usage: install.sh [--from URL] [--version X.Y.Z] [--prefix DIR]' >&2
  exit 2
}
has() { command -v "$1" >/dev/null 2>&1; }

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
    --from | --version | --prefix) [ $# -gt 1 ] || misuse "$1 needs a value" ;;
    *) misuse "unknown option \"$1\"" ;;
    esac
    case $1 in
    --from) from=${2%/} ;;
    --version) version=$2 ;;
    --prefix) prefix=$2 ;;
    esac
    shift 2
  done
  [ -n "$prefix" ] || misuse 'HOME is not set: give --prefix DIR'
  [ -n "$from" ] || misuse 'this copy does not know where to download from: give --from URL'
  [ -n "$version" ] || misuse 'this copy does not know which version: give --version X.Y.Z'
}

# The system and its processor, as the archives are named.
find_target() {
  system=$(uname -s)
  machine=$(uname -m)
  # A shell that Rosetta translates takes Apple's processor for Intel's.
  if [ "$system" = Darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
    machine=arm64
  fi
  case $machine in
  x86_64 | amd64) machine=x86_64 ;;
  aarch64 | arm64) machine=aarch64 ;;
  *) refuse "no mpserv for the processor \"$machine\": only x86_64 and aarch64" ;;
  esac
  case $system in
  Linux) target=$machine-unknown-linux-gnu ;;
  Darwin) target=$machine-apple-darwin ;;
  *) refuse "no mpserv for \"$system\": only Linux and macOS (on Windows, use WSL)" ;;
  esac
}

# download URL FILE
download() {
  if has curl; then
    # What starts encrypted stays so, wherever it is sent on to.
    case $1 in https:*) protocols='=https' ;; *) protocols='=http,https' ;; esac
    curl -fsSL --proto "$protocols" -o "$2" "$1"
  elif has wget; then
    wget -q -O "$2" "$1"
  else
    refuse 'cannot download: install curl or wget'
  fi || refuse "cannot download $1"
}

checksum() {
  if has sha256sum; then
    sha256sum "$1"
  elif has shasum; then
    shasum -a 256 "$1"
  else
    refuse 'cannot verify the download: install sha256sum or shasum'
  fi | cut -d ' ' -f 1
}

# verify FILE NAME: FILE has the checksum that SHA256SUMS gives for NAME.
verify() {
  want=$(awk -v name="$2" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ -n "$want" ] || refuse "SHA256SUMS of $from has no line for $2"
  have=$(checksum "$1")
  [ "$have" = "$want" ] || refuse "$2 has a wrong checksum: SHA-256 $have, expected $want: nothing was installed"
}

# put FILE DESTINATION MODE: by renaming, so that a server that runs keeps the file that it runs from.
put() {
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new$$"
  chmod "$3" "$2.new$$"
  mv -f "$2.new$$" "$2"
}

main() {
  prefix=${HOME:+$HOME/.local}
  read_options "$@"
  find_target
  name=mpserv-$version-$target
  work=$(mktemp -d) || refuse 'cannot make a temporary directory'
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM

  download "$from/SHA256SUMS" "$work/SHA256SUMS"
  download "$from/$name.tar.gz" "$work/$name.tar.gz"
  verify "$work/$name.tar.gz" "$name.tar.gz"
  tar -xzf "$work/$name.tar.gz" -C "$work" || refuse "cannot unpack $name.tar.gz"
  for program in mpserv mpclient; do
    "$work/$name/bin/$program" --version >/dev/null 2>&1 ||
      refuse "$program does not run here: it needs glibc on Linux: nothing was installed"
  done

  (cd "$work/$name" && find share -type f) | while read -r file; do
    put "$work/$name/$file" "$prefix/$file" 644
  done
  for program in mpserv mpclient; do
    put "$work/$name/bin/$program" "$prefix/bin/$program" 755
  done
  say "installed $prefix/bin/mpserv and $prefix/bin/mpclient, version $version"
  case :${PATH:-}: in
  *:"$prefix/bin":*) ;;
  *) say "$prefix/bin is not on PATH: add it, for example in ~/.profile" ;;
  esac
}

# All of the script has arrived when this line has.
main "$@"
