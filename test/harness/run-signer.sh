#!/bin/sh
# Stands where the signer image has its program, and runs the one of the repository.
exec "$KMODFLOW_REPOSITORY/deploy/images/signer/kmodflow-sign" "$@"
