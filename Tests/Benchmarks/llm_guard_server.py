"""LLM Guard as a server: two scanners that need no model, behind FastAPI. Started by peers.py with uvicorn."""

import fastapi
import pydantic
from llm_guard import scan_prompt
from llm_guard.input_scanners import BanSubstrings, InvisibleText

app = fastapi.FastAPI()
SCANNERS = [InvisibleText(), BanSubstrings(["build a bomb"])]


class Question(pydantic.BaseModel):
    messages: list[dict[str, str]]


@app.post("/v1/classify")
def classify(question: Question):
    _, valid, scores = scan_prompt(SCANNERS, question.messages[-1]["content"])
    return {"is_valid": all(valid.values()), "scanners": scores}
