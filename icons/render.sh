#!/usr/bin/env bash
# Renders the PNGs and the .ico from the SVG sources. Needs rsvg-convert (librsvg2-bin) and ImageMagick.
set -euo pipefail
cd "$(dirname "$0")"
for state in connected waiting blocked paused stopped; do
  for size in 22 32 48; do
    rsvg-convert --width "$size" --height "$size" --output "tray/$state-$size.png" "tray/$state.svg"
  done
done
for size in 32 128 256 512; do
  rsvg-convert --width "$size" --height "$size" --output "heartwire-$size.png" heartwire.svg
done
convert heartwire-32.png heartwire-128.png heartwire-256.png heartwire.ico
