"""The servers that serve an app in production: commands, import paths, ports, patches."""
