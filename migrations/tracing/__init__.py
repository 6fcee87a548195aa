"""The history of one lead: what each import wrote into it, and what people changed."""
