# The gateway; with EXTRAS=gateway,sim the simulator too. Build from the repository's root:
#   docker build -f deploy/gateway.Dockerfile -t frostline-gateway .
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=gateway
RUN python -m venv /opt/frostline
ENV PATH=/opt/frostline/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY core core
COPY edge edge
COPY gateway gateway
COPY cloud cloud
COPY firmware-sim firmware-sim
RUN pip install -c constraints.txt ".[$EXTRAS]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/frostline --create-home frostline
COPY --from=build /opt/frostline /opt/frostline
ENV PATH=/opt/frostline/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/frostline
VOLUME /var/lib/frostline
ENTRYPOINT ["frostline"]
CMD ["gateway", "run", "-c", "/etc/frostline/gateway.toml"]
