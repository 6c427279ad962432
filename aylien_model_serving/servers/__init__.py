"""The servers that serve an app in production: their commands, where they find it, who has the port."""
