#!/bin/sh
# Makes tests/audio: one second of a tone of 440 Hz at half of full scale, in each container that is read. Rates are such that
# the encoders keep the amplitude: AAC at 32k adds 1% of noise.
# Made with ffmpeg 5.1.9 (libmp3lame 3.100, libvorbis 1.3.7, libopus 1.3.1).
set -eu
cd "$(dirname "$0")/audio"
tone='aevalsrc=0.5*sin(2*PI*440*t)|0.5*sin(2*PI*440*t):s=44100:d=1'
make() { ffmpeg -v error -y -f lavfi -i "$tone" -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$@"; }
make -ar 8000 -ac 1 -c:a pcm_s16le tone.wav
# LAME makes everything quieter by 5% at low constant rates, not at variable ones.
make -ar 44100 -c:a libmp3lame -q:a 5 tone.mp3
make -ar 16000 -ac 1 -c:a flac tone.flac
make -ar 44100 -c:a libvorbis -q:a 0 vorbis.ogg
make -ar 48000 -c:a libopus -b:a 24k opus.ogg
make -ar 44100 -c:a aac -b:a 64k tone.m4a
# One channel by itself: mixed by -ac 1 in floating point, both together are louder by the root of 2.
make -af 'pan=mono|c0=c0' -ar 48000 -c:a libopus -b:a 24k tone.webm
