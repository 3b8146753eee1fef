"""Everything that knows streamlit: components, charts, state of a session, downloads. No maths."""
