"""Libraries that speak OpenAI's API for other people's programs. They look nothing up, and send nothing about themselves."""

import os

# Read when the libraries are imported.
os.environ.update({
    "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
})
