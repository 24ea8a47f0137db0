# Makes the passwords of docker-compose.yml.
FROM debian:bookworm-slim
COPY deploy/docker/make-secrets /usr/local/bin/
# New volumes take over whose these folders are.
RUN groupadd --system --gid 10001 emberkeep \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin emberkeep \
 && for of in database broker store identity; do install -d -o emberkeep -g emberkeep "/secrets/$of"; done
USER 10001:10001
ENTRYPOINT ["make-secrets"]
