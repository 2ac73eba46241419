"""Off-policy evaluation: what a policy would earn, from slates that another one served.

logged_slates        the input: one row per item of a slate
dense                the rows as matrices of slates and positions
contributions        what each slate contributes to an estimate, and the estimate
inverse_propensity   IPS over whole slates, by position, and by prefix; each also self-normalised
doubly_robust        the direct method, and cascade doubly robust
intervals            the studentised bootstrap over users
support              what the logs must have for an answer
estimate             the answer: an estimate with its interval, or *unknown* with the reason
evaluate             one estimator on one log
sensitivity          bounds for logs without propensities

Everything here is a pure function of arrays. Nothing knows where slates come from, or what a reward
is. Suffixes: R rows (items of slates), N slates, K positions, U users, B resamples.
"""
