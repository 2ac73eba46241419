"""Events in the forms of other programs (Segment, RudderStack, GA4), translated into ours."""
