#!/bin/sh
# deps.sh install|doctor|packages -- find what the build needs by compiling AND linking; install with apt what is missing.
# Environment: APT_PACKAGES (Debian names), LIBS (linker flags), CC.
set -u
mode=${1:-doctor}
temporary=$(mktemp -d) || exit 4
trap 'rm -rf "$temporary"' EXIT

# probe NAME HEADERS FLAGS CALL -- compile and link one small program
probe() {
    { for h in $2; do echo "#include <$h>"; done; echo "int main(void) { $4 return 0; }"; } >"$temporary/p.c"
    if ${CC:-gcc} "$temporary/p.c" -o "$temporary/p" $3 >"$temporary/log" 2>&1; then
        [ "$mode" = doctor ] && printf '  ok       %s\n' "$1"
        return 0
    fi
    [ "$mode" = doctor ] && printf '  missing  %s\n' "$1"
    missing=1
}

probe_all() {
    missing=0
    set -- ${CC:-gcc} # may carry flags
    if ! command -v "$1" >/dev/null 2>&1; then
        [ "$mode" = doctor ] && printf '  missing  C compiler (%s)\n' "${CC:-gcc}"
        missing=1
        return
    fi
    probe "C compiler, OpenMP" "stdio.h omp.h" "-fopenmp" "return omp_get_max_threads() < 1;"
    probe "OpenBLAS" "cblas.h" "-lopenblas" "openblas_set_num_threads(1);"
    probe "LAPACKE" "lapacke.h" "-llapacke -lopenblas" "(void)LAPACKE_ssyevd;"
    probe "zlib" "zlib.h" "-lz" "(void)zlibVersion();"
    probe "zstd" "zstd.h" "-lzstd" "(void)ZSTD_versionNumber();"
    probe "ISA-L (igzip)" "isa-l/igzip_lib.h" "-lisal" "struct inflate_state *s = 0; (void)s; (void)isal_inflate;"
    probe "cJSON" "cjson/cJSON.h" "-lcjson" "(void)cJSON_Version();"
    probe "libcurl" "curl/curl.h" "-lcurl" "(void)curl_version();"
    probe "libcrypto" "openssl/evp.h" "-lcrypto" "(void)EVP_sha256();"
    probe "libssl (tests)" "openssl/ssl.h" "-lssl -lcrypto" "(void)TLS_server_method();"
    probe "Check" "check.h" "-lcheck -lsubunit -lrt -lm -lpthread" "(void)suite_create(\"x\");"
    if command -v gnuplot >/dev/null 2>&1; then [ "$mode" = doctor ] && echo '  ok       gnuplot (plots)'
    else [ "$mode" = doctor ] && echo '  missing  gnuplot (plots are left out of the report without it)'; no_plots=1; fi
    if command -v nvcc >/dev/null 2>&1; then note="found"; else note="not found: fine, the CPU backend is used"; fi
    [ "$mode" = doctor ] && echo "  note     CUDA compiler: $note"
    return 0
}

apt_line="apt-get install -y --no-install-recommends $APT_PACKAGES"

install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: libraries are missing and this system has no apt-get" >&2
        echo "  fix: install the equivalents of: $APT_PACKAGES" >&2
        exit 4
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo=sudo
        else
            echo "error: libraries are missing, and installing them needs root" >&2
            echo "  fix: run \`sudo $apt_line\`, then make again" >&2
            exit 4
        fi
    fi
    echo "installing: $APT_PACKAGES" >&2
    { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo $apt_line; } >"$temporary/apt" 2>&1 || {
        tail -n 20 "$temporary/apt" >&2
        echo "error: apt-get failed" >&2
        echo "  fix: check the network and the package sources, then run \`$apt_line\`" >&2
        exit 4
    }
}

no_plots=0
case $mode in
doctor)
    probe_all
    if [ "$missing" = 1 ]; then echo "to install: $apt_line"; exit 4; fi
    ;;
install)
    probe_all
    if [ "$missing" = 1 ] || { [ "$no_plots" = 1 ] && [ "$(id -u)" = 0 ]; }; then
        install_packages
        mode=check
        probe_all
        if [ "$missing" = 1 ]; then
            cat "$temporary/log" >&2
            echo "error: libraries are still missing after the installation" >&2
            echo "  fix: \`make doctor\` names them" >&2
            exit 4
        fi
    fi
    ;;
packages)
    for p in $APT_PACKAGES; do
        dpkg -s "$p" >/dev/null 2>&1 || { install_packages; break; }
    done
    ;;
esac
