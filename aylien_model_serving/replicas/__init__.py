"""The processes behind the web workers: one supervisor for each service, and the replicas that it starts.

The supervisor knows no handler: it starts, watches and ends processes. A replica builds one handler
and answers calls for it. Neither of them outlives the service's owner.
"""
