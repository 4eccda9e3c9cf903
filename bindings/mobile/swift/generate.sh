#!/bin/sh
# Writes the two generated targets of the Swift package: IndwellFFI (the C header) and IndwellNative (uniffi's Swift).
#
#   generate.sh BINDGEN LIBRARY [SOURCES]
#
# BINDGEN is the uniffi-bindgen program of this crate, LIBRARY the built libindwell_mobile, SOURCES the folder to write
# into (default: Sources beside this script). Needs no Swift.
set -eu

if [ $# -lt 2 ]; then
    sed -n 's/^# \{0,1\}//; 3,7p' "$0" >&2
    exit 2
fi
bindgen=$1
library=$2
sources=${3:-$(dirname "$0")/Sources}

mkdir -p "$sources/IndwellFFI" "$sources/IndwellNative"
"$bindgen" generate "$library" --language swift --no-format --metadata-no-deps --out-dir "$sources/IndwellNative"
mv "$sources/IndwellNative/IndwellFFI.h" "$sources/IndwellFFI/"
# uniffi's own module map says nothing of the library to link, and its name is not the one that packages look for.
rm "$sources/IndwellNative/IndwellFFI.modulemap"
cat > "$sources/IndwellFFI/module.modulemap" <<'MAP'
module IndwellFFI {
    header "IndwellFFI.h"
    link "indwell_mobile"
    export *
}
MAP
