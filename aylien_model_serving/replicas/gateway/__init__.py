"""The process that stands for replicas on other machines: frames from web workers, messages to a cluster."""
