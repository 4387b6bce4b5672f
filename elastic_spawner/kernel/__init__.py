"""The part inside the user's kernel: IPython extension, magics, and the calls that the agent makes."""
