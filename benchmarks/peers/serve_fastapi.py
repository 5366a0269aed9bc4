"""FastAPI on uvicorn: python benchmarks/peers/serve_fastapi.py SAVED_MODEL PORT."""

import sys

import uvicorn
from fastapi import FastAPI

from signature import open_signature

app = FastAPI()
call = open_signature(sys.argv[1])


@app.post("/predict")
def predict(body: dict) -> dict:
    """Images as lists in, probabilities as lists out."""
    return {"probabilities": call(body["images"]).tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
