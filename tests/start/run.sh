#!/usr/bin/env bash
# Runs the two commands of README.md, `task serve` and `task test`, in ways in which other people run them (see README.md
# beside this):
#   tests/start/run.sh [--full] [--way NAME]... [FILE...]
# NAME: as-it-is, empty-caches, path, user, proxy, deno-2.7. FILE: tests; --full runs all of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
# So long a server may take until it listens, with all its downloads, in seconds.
patience=300

usage() {
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
}
ways=()
files=()
while (($#)); do
  case $1 in
    --full) files=(tests/) ;;
    --way) ways+=("${2-}") && shift ;;
    -*) usage ;;
    *) files+=("$1") ;;
  esac
  shift
done
((${#ways[@]})) || ways=(as-it-is empty-caches path user proxy deno-2.7)
# Calls of the system, a server in every model, handlers, and the scripts of completions.
((${#files[@]})) || files=(tests/posix/ tests/server/echo_test.ts tests/service/handler_test.ts tests/cli/completions_test.ts)

for tool in node npm npx git tar setsid; do
  command -v "$tool" >/dev/null || {
    echo "tests/start/run.sh: no $tool: install it" >&2
    exit 2
  }
done

work=$(mktemp -d)
chmod 711 "$work" # another user goes through it
# Process groups of what this script started.
groups=()
clean_up() {
  local group
  for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# What a way changes: where it runs, as whom, the variables that it does not have and those that it has, the version of
# Deno; or why it is skipped.
ordinary() {
  place=$project
  as=()
  without=()
  with=()
  version=2.9.6
  skip=
}
# Runs a command in this way.
run() { cd "$place" && exec "${as[@]}" env "${without[@]/#/--unset=}" "${with[@]}" "$@"; }

# A copy of the checkout's own files.
copy_to() {
  mkdir -p "$1"
  (cd "$project" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -C "$1"
}

# Words that give a command nothing of what was downloaded before. What the user has set for npm stays.
without_caches() {
  mkdir -p "$work/$1"
  without=(DENO_DIR XDG_CACHE_HOME npm_config_cache npm_config_prefix)
  with=("HOME=$work/$1" "npm_config_userconfig=${npm_config_userconfig:-$HOME/.npmrc}")
}

in_other_path() {
  place="$work/für mpserv"
  copy_to "$place"
}
as_other_user() {
  local name value
  if (($(id -u))); then
    skip="this user is not root: the other ways show it"
  elif ! command -v setpriv >/dev/null; then
    skip="no setpriv: install util-linux"
  else
    place=$work/nobody/mpserv
    copy_to "$place"
    without_caches nobody
    # Root's own file may be closed to others, and may have passwords. It gets what leads to the registry.
    with+=("npm_config_userconfig=$work/nobody/.npmrc" USER=nobody LOGNAME=nobody)
    for name in registry cafile proxy https-proxy; do
      value=$(npm config get "$name")
      [[ $value =~ ^(null|undefined)$ ]] || with+=("npm_config_${name//-/_}=$value")
    done
    without+=(XDG_RUNTIME_DIR)
    chown -R 65534:65534 "$work/nobody"
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)
  fi
}

behind_proxy() {
  local tool port proxy
  for tool in python3 openssl; do
    command -v "$tool" >/dev/null || skip="no $tool: install it"
  done
  [[ $skip || $(openssl version) =~ ^OpenSSL\ ([3-9]|[0-9]{2}) ]] || skip="this openssl signs no certificates in one step"
  [[ ! $skip ]] || return 0
  mkdir -p "$work/authority" "$work/behind"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mpserv test authority" \
    -addext "keyUsage=critical,keyCertSign" -keyout "$work/authority/ca.key" -out "$work/authority/ca.pem" 2>"$work/log" ||
    gives_up "openssl cannot make an authority"
  setsid python3 "$here/proxy.py" "$work/authority" >"$work/tunnels" 2>"$work/log" </dev/null &
  proxy=$!
  groups+=("$proxy")
  disown # its end is no news
  until port=$(sed -n 1p "$work/tunnels") && [[ $port ]]; do
    kill -0 "$proxy" 2>/dev/null || gives_up "the proxy does not start" || return 1
    sleep 0.1
  done
  without_caches behind
  # Nothing of this machine's own authorities and settings, but those of the proxy.
  without+=(
    npm_config_cafile SSL_CERT_FILE SSL_CERT_DIR DENO_CERT DENO_TLS_CA_STORE NODE_EXTRA_CA_CERTS
    HTTP_PROXY http_proxy https_proxy ALL_PROXY all_proxy no_proxy
  )
  with=(
    "HOME=$work/behind" "npm_config_userconfig=$work/behind/.npmrc" "npm_config_globalconfig=$work/behind/none"
    "HTTPS_PROXY=http://127.0.0.1:$port" "NO_PROXY=localhost,127.0.0.1,::1"
  )
  # Without the authority it must fail; or what follows does not show that anything trusts it.
  if (run npm_config_fetch_retries=0 npx -y "deno@$version" --version) >"$work/log" 2>&1 ||
    ! grep -qi 'certificate' "$work/log" || [[ $(wc -l <"$work/tunnels") == 1 ]]; then
    gives_up "the proxy is not in the way" || return 1
  fi
  with+=("NODE_EXTRA_CA_CERTS=$work/authority/ca.pem") # npx and Deno both read it
}

on_old_deno() {
  version=2.7.11
  # It knows the authorities of the system only when it is told to.
  with=("DENO_TLS_CA_STORE=${DENO_TLS_CA_STORE:-system}")
}

prepare() {
  case $1 in
    as-it-is) ;;
    empty-caches) without_caches home ;;
    path) in_other_path ;;
    user) as_other_user ;;
    proxy) behind_proxy ;;
    deno-2.7) on_old_deno ;;
    *) usage ;;
  esac
}

# Shows what a command said, and why that is wrong.
gives_up() {
  cat "$work/log"
  echo "$*"
  return 1
}

# `task serve`, a line through it, and its end.
serves() {
  local line port pid answer='' end=$((SECONDS + patience)) group
  : >"$work/log"
  (run setsid npx -y "deno@$version" task serve 0) >"$work/log" 2>&1 </dev/null &
  group=$!
  groups+=("$group")
  until line=$(grep -m 1 ' listening on ' "$work/log"); do
    if ! kill -0 "$group" 2>/dev/null || ((SECONDS > end)); then
      gives_up "it does not listen" || return 1
    fi
    sleep 0.1
  done
  port=${line#*listening on *:}
  pid=${line#* pid=}
  exec 3<>"/dev/tcp/127.0.0.1/${port%% *}"
  echo "hello" >&3
  read -r -t 60 answer <&3 || true
  exec 3>&-
  kill -TERM "${pid%% *}"
  wait "$group" || gives_up "task serve exits with code $?" || return 1
  [[ $answer == hello ]] || gives_up "no echo, but \"$answer\"" || return 1
  grep -q 'server ended .*accepted=1 served=1 ' "$work/log" || gives_up "the log does not tell of the connection"
}

# `task test`.
passes() { (run npx -y "deno@$version" task test "${files[@]}") </dev/null; }

results=()
for way in "${ways[@]}"; do
  ordinary
  began=$SECONDS
  echo "== $way"
  # `set -e` has no effect in a condition: each function returns its failure.
  if ! prepare "$way"; then
    result="FAILED  $way: it cannot be prepared"
  elif [[ $skip ]]; then
    result="SKIPPED $way: $skip"
  elif ! serves; then
    result="FAILED  $way: task serve"
  else
    served=$((SECONDS - began))
    echo "served after $served s"
    result="passed  $way: task serve $served s, task test"
    passes || result="FAILED  $way: task test"
  fi
  if [[ $way == proxy && -e $work/tunnels ]]; then
    echo "tunnels through the proxy:" && tail -n +2 "$work/tunnels" | sort | uniq -c
  fi
  echo "== $result ($((SECONDS - began)) s)"
  results+=("$result ($((SECONDS - began)) s)")
done
echo "== results"
printf '%s\n' "${results[@]}"
[[ ${results[*]} != *FAILED* ]]
