# Compiles the module for one kernel. There is no build context: sources come from a URL, from a base image, or are written by a RUN step.
FROM debian:bookworm AS build
# kmodflow passes the kernel (also as KERNEL_VERSION), MOD_NAME and MOD_NAMESPACE; DRIVER_VERSION comes from the spec's buildArgs.
ARG KERNEL_FULL_VERSION
ARG DRIVER_VERSION
RUN apt-get update && apt-get install -y --no-install-recommends curl ca-certificates gcc make kmod linux-headers-${KERNEL_FULL_VERSION}
# The Secret source-credentials has the key "token". It stands in no layer of the image.
RUN mkdir -p /src && curl -fsS -H "Authorization: Bearer $(cat /run/secrets/source-credentials/token)" \
      https://sources.example.com/example-kmod-${DRIVER_VERSION}.tar.gz | tar -xz -C /src --strip-components=1
RUN make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/src modules
# What KMM loads: <dirName>/lib/modules/<kernel>, with the lists that modprobe reads.
RUN mkdir -p /opt/lib/modules/${KERNEL_FULL_VERSION} \
 && cp /src/*.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/ \
 && depmod -b /opt ${KERNEL_FULL_VERSION}

# Spokes copy the files out of the image with its own shell and cp.
FROM busybox:stable
COPY --from=build /opt /opt
