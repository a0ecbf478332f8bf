#!/bin/sh
# Deletes pods as they fail, in the namespace NAMESPACE or that of the context, until it is stopped.
# Each event is passed to the command on stdin, as JSON; these variables tell of it as well.
exec k8s-step watch pods ${NAMESPACE:+-n "$NAMESPACE"} --field-selector status.phase=Failed -o name \
  --exec '[ "$EVENT_TYPE" = DELETED ] || k8s-step delete "$EVENT_OBJECT" -n "$EVENT_NAMESPACE" --ignore-not-found'
