"""`Idempotency-Key`: a request that is sent again has its effect once (draft-ietf-httpapi-idempotency-key-header-07).

A router says `route_class=IdempotentRoute`, and a route takes the key after its caller:

    async def pay(caller: WritePayments, _key: IdempotencyKey, …)

The answer is stored in the transaction of the effect, so there are both or neither. What is raised rolls both back:
a request that failed is simply run again.
"""
