# PostgreSQL, RabbitMQ and HAProxy out of Debian's packages, for the names that docker-compose.yml has.
FROM debian:bookworm-slim AS servers
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql rabbitmq-server haproxy wget \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ && ln -s /usr/lib/rabbitmq/bin/* /usr/local/bin/ \
 && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data && rm -rf /var/lib/rabbitmq/* \
 && install -d /usr/local/etc/haproxy

FROM servers AS postgres
COPY start-postgres /usr/local/bin/
ENTRYPOINT ["start-postgres"]

FROM servers AS rabbitmq
# Erlang's schedulers wait busily unless told not to.
ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=- \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
ENTRYPOINT ["rabbitmq-server"]

FROM servers AS haproxy
USER haproxy
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
