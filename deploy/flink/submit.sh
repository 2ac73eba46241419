#!/usr/bin/env bash
# Keeps the join running on the cluster of deploy/compose.yaml: submits it, from its newest checkpoint,
# whenever the job manager does not have it. deploy/stack/join.py does the same for `make stack`; both
# fill in join.sql in the same way.
set -euo pipefail

name=freshet-join-events
checkpoints=/checkpoints/join
mkdir -p "$checkpoints"

while true; do
  if jobs=$(wget --quiet --timeout=5 --tries=1 --output-document=- http://flink-jobmanager:8083/jobs/overview) &&
    ! grep -Eq "\"name\":\"$name\"[^}]*\"state\":\"(CREATED|INITIALIZING|RUNNING|RESTARTING|FAILING|RECONCILING|CANCELLING)\"" <<<"$jobs"; then
    newest=$(find "$checkpoints" -path '*/chk-*/_metadata' -printf '%T@ %h\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
    {
      if [[ -n "$newest" ]]; then
        echo "SET 'execution.state-recovery.path' = 'file://$newest';"
        echo "SET 'execution.state-recovery.claim-mode' = 'CLAIM';"
      fi
      sed -e "s|\${bootstrap}|$BOOTSTRAP|g" -e "s|\${name}|$name|g" -e "s|\${checkpoints}|file://$checkpoints|g" \
        -e 's|\${impressions}|impressions|g' -e 's|\${clicks}|clicks|g' -e 's|\${events}|events|g' -e 's|\${rejected}|rejected|g' /join.sql
    } >/tmp/join.sql
    echo "submitting $name${newest:+ from $newest}"
    /docker-entrypoint.sh /opt/flink/bin/sql-client.sh -f /tmp/join.sql || echo "the SQL client failed; trying again"
  fi
  sleep 10
done
