#!/usr/bin/env bash
# Runs mpserv's tests on 64-bit Arm Linux, in an emulated machine (see README.md):
#   tests/arm64/run.sh [--kernel 6.12|6.12-16k|6.1] [--shell] [FILE...]
# Needs no root: what it downloads stays in ${MPSERV_ARM64:-${XDG_CACHE_HOME:-~/.cache}/mpserv-arm64}.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cache=${MPSERV_ARM64:-${XDG_CACHE_HOME:-$HOME/.cache}/mpserv-arm64}
deno=2.9.6

# What a release needs: layouts, every model, handlers, the sandbox, a take-over, rewinding's refusal, executables.
files=(
  tests/posix/ tests/child/ tests/model/ tests/zygote/
  tests/server/echo_test.ts tests/client/client_test.ts tests/service/handler_test.ts tests/service/program_test.ts
  tests/server/sandbox_test.ts tests/server/landlock_test.ts tests/attacks/files_test.ts
  tests/control/take_over_test.ts tests/compiled/
)
# The guest: what tests talk to, and a C compiler for layouts.
packages=(
  bash coreutils util-linux mount iproute2 procps grep sed gawk findutils socat gcc libc6-dev linux-libc-dev
  git curl netbase tzdata login passwd kmod strace hostname libc-bin debianutils python3-minimal dash tar gzip
)
# Modules that a kernel of Debian does not have inside.
modules=(inet_diag tcp_diag udp_diag unix_diag)

die() {
  echo "tests/arm64/run.sh: $*" >&2
  exit 1
}
say() { printf '== %s (%d s)\n' "$*" "$SECONDS"; }

kernel=6.12
shell=
asked=()
while (($#)); do
  case $1 in
    --kernel) kernel=${2-} && shift ;;
    --shell) shell=1 ;;
    -*) sed -n '2,4s/^# //p' "$0" >&2 && exit 2 ;;
    *) asked+=("$1") ;;
  esac
  shift
done
((${#asked[@]})) && files=("${asked[@]}")
case $kernel in
  6.12) image=linux-image-arm64/trixie ;;
  6.12-16k) image=linux-image-arm64-16k/trixie ;;
  6.1) image=linux-image-arm64/bookworm ;;
  *) die "no kernel \"$kernel\": choose 6.12, 6.12-16k or 6.1" ;;
esac
for tool in qemu-system-aarch64:qemu-system-arm cpio:cpio apt-get:apt dpkg-deb:dpkg npm:npm git:git readelf:binutils; do
  command -v "${tool%:*}" >/dev/null || die "no ${tool%:*}: install Debian's package ${tool#*:}"
done
# The project has one version of Deno; this machine's own build of it fills the cache of packages.
host_deno() { npx -y "deno@$deno" "$@"; }

mkdir -p "$cache"/{apt/lists/partial,apt/archives/partial,kernels,npm}
cd "$cache"

# Debian's packages for arm64, with a state of apt's own: nothing of this machine's packages is touched.
: >>apt/status
for suite in bookworm trixie; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
done >apt/sources.list
cat >apt/apt.conf <<C
APT::Architecture "arm64"; APT::Architectures { "arm64"; }; APT::Sandbox::User "root"; APT::Default-Release "bookworm";
Dir::State "$cache/apt"; Dir::State::status "$cache/apt/status"; Dir::Cache "$cache/apt";
Dir::Etc::sourcelist "$cache/apt/sources.list"; Dir::Etc::sourceparts "-"; Debug::NoLocking "true";
C
arm_apt() { APT_CONFIG=$cache/apt/apt.conf apt-get -qq --no-install-recommends "$@"; }

if [[ ! -e root.cpio ]]; then
  say "Debian's packages for arm64"
  arm_apt update
  rm -rf root apt/archives/*.deb && mkdir root
  # What is unpacked needs /bin, /sbin and /lib to be links into /usr.
  mkdir -p root/usr/{bin,sbin,lib} && ln -s usr/bin usr/sbin usr/lib root/
  arm_apt install --yes --download-only "${packages[@]}"
  for package in apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C root
  done
  say "the root file system"
  lib=root/usr/lib/aarch64-linux-gnu
  rm -rf root/usr/share/{doc,man,locale,info,i18n,perl} root/usr/lib/git-core
  find "$lib" root/usr/lib/gcc ! -type d -name 'lib[atlu]*san*' -delete
  ln -sf dash root/usr/bin/sh && ln -sf gcc root/usr/bin/cc && ln -sf gawk root/usr/bin/awk
  mkdir -p root/{dev,proc,sys,run,tmp,root,project}
  (cd npm && npm pack --silent "@deno/linux-arm64-glibc@$deno" >/dev/null && tar -xzf ./deno-linux-arm64-glibc-"$deno".tgz package/deno)
  cp npm/package/deno root/usr/bin/deno
  (cd root && find . | cpio -o -H newc -R 0:0 --quiet) >root.cpio.new
  mv root.cpio.new root.cpio
  rm -rf root
fi

if [[ ! -e kernels/$kernel/vmlinuz ]]; then
  say "kernel $kernel"
  rm -rf kernels/new && mkdir kernels/new
  arm_apt update
  # A kernel's package depends on nothing that is needed here.
  name=$(APT_CONFIG=apt/apt.conf apt-cache show "${image%/*}" | awk -v RS= -v suite="$kernel" '$0 ~ "\nVersion: " substr(suite, 1, 4)' |
    sed -n 's/^Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
  (cd kernels/new && arm_apt download "$name" && dpkg-deb --fsys-tarfile ./*.deb | tar -x)
  mkdir -p kernels/new/tree/mod
  for module in "${modules[@]}"; do
    file=$(find kernels/new -path kernels/new/tree -prune -o -name "$module.ko*" -print)
    case $file in
      *.xz) xz -dc "$file" >"kernels/new/tree/mod/$module.ko" ;;
      *.ko) cp "$file" kernels/new/tree/mod/ ;;
    esac
  done
  (cd kernels/new/tree && find . | cpio -o -H newc -R 0:0 --quiet) >kernels/new/modules.cpio
  mkdir -p "kernels/$kernel"
  mv kernels/new/modules.cpio "kernels/$kernel/"
  mv kernels/new/boot/vmlinuz-* "kernels/$kernel/vmlinuz"
  rm -rf kernels/new
fi

say "the project, the packages from npm that it loads, and its executables"
rm -rf work && mkdir -p work/project work/root
(cd "$project" && git ls-files -z | xargs -0 tar -c) | tar -x -C work/project
cp "$here/init" work/init
(cd work/project && DENO_DIR=$cache/denodir host_deno cache --quiet main.ts tests/ src/mod.ts)
mkdir work/root/denodir
cp -a denodir/npm work/root/denodir/

# The runtime of an executable: Deno's own download, which closed networks do not have. An npm package has one
# of Deno 2.7.11 inside, in front of the program of its own: an ELF file ends where its section headers end.
denort=${MPSERV_ARM64_DENORT:-npm/denort-2.7.11}
if [[ ! -x $denort ]]; then
  (cd npm && npm pack --silent @stdy/cli-linux-arm64@0.22.2 >/dev/null && tar -xzf ./stdy-*.tgz package/bin/steady) &&
    length=$(LC_ALL=C readelf -hW npm/package/bin/steady | awk -F: '
      /Start of section headers|Size of section headers|Number of section headers/ { split($2, n, " "); v[++i] = n[1] }
      END { print v[1] + v[2] * v[3] }') &&
    head -c "$length" npm/package/bin/steady >"$denort.new" && chmod +x "$denort.new" && mv "$denort.new" "$denort"
fi
if [[ -x $denort ]]; then
  (cd work/project && DENORT_BIN=$(realpath "$cache/$denort") DENO_TLS_CA_STORE=${DENO_TLS_CA_STORE:-system} \
    npx -y deno@2.7.11 task compile) >compile.log 2>&1 || {
    cat compile.log
    die "cannot compile"
  }
else
  echo "SKIPPED: executables, no runtime to compile with"
fi

if [[ $shell ]]; then
  echo 'exec bash' >work/job
else
  echo 'deno test --no-check -A "$@"' >work/job
fi
printf '%s\0' "${files[@]}" >work/job-files
(cd work && find . | cpio -o -H newc -R 0:0 --quiet) >work.cpio
# Archives one after another are one file system.
cat root.cpio "kernels/$kernel/modules.cpio" work.cpio >initrd.cpio

say "boot: kernel $kernel"
log=log-$kernel
tty -s && saved=$(stty -g) && trap 'stty "$saved"' EXIT
qemu-system-aarch64 -M virt -cpu "${MPSERV_ARM64_CPU:-neoverse-n1}" -smp 2 -m 6G -accel tcg,thread=multi,tb-size=1024 \
  -kernel "kernels/$kernel/vmlinuz" -initrd initrd.cpio \
  -append "console=ttyAMA0 quiet panic=-1 rdinit=/init mitigations=off" \
  -display none -monitor none -serial stdio -nic none -no-reboot | sed -u 's/\r$//' | tee "$log"
say "end"
grep -qx 'arm64: exit code 0' "$log"
