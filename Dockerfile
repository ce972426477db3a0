# Two stages to build from: `docker build --target cpu -t digr .` and `docker build --target cuda -t digr-cuda .`
# Both install through the same `make deps` as any other machine.
#   docker run --rm -v "$PWD/results:/digr/results" digr                       the embedded sample, no network needed
#   docker run --rm -v "$PWD/results:/digr/results" -v /data/amazon:/data:ro -e DIGR_DATA=/data digr make reproduce DATA=beauty
FROM debian:bookworm-slim AS cpu
RUN apt-get update && apt-get install -y --no-install-recommends make git ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /digr
COPY . .
RUN make deps && rm -rf /var/lib/apt/lists/*
# x86-64-v3 runs on every x86 server of the last ten years; build with MARCH=native on the machine itself for full speed.
ENV MARCH=x86-64-v3
RUN make -j"$(nproc)" build
CMD ["make", "reproduce", "DATA=sample"]

FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS cuda
RUN apt-get update && apt-get install -y --no-install-recommends make git ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /digr
COPY . .
RUN make deps && rm -rf /var/lib/apt/lists/*
ENV MARCH=x86-64-v3
RUN make -j"$(nproc)" build
CMD ["make", "reproduce"]
