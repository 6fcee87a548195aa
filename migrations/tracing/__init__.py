"""The history of one lead: which it is, what each import wrote into it, and what people changed."""
