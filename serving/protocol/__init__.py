"""What TF Serving's two interfaces share: messages, tensors, examples, status codes."""
