# The cloud: ingest, rules, alerts, API and console. Build from the repository's root:
#   docker build -f deploy/cloud.Dockerfile -t frostline-cloud .
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/frostline
ENV PATH=/opt/frostline/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY core core
COPY edge edge
COPY gateway gateway
COPY cloud cloud
COPY firmware-sim firmware-sim
RUN pip install -c constraints.txt '.[cloud,postgres]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/frostline --create-home frostline
COPY --from=build /opt/frostline /opt/frostline
ENV PATH=/opt/frostline/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/frostline
VOLUME /var/lib/frostline
EXPOSE 8080
ENTRYPOINT ["frostline"]
CMD ["cloud", "run", "-c", "/etc/frostline/cloud.toml"]
