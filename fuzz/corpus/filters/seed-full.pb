
agencies/us-dea
agencies/ca-rcmpInternational mail facilityCA"CN"INBJRcarfentanilbjràŠ€âÏªÀ„=ª$ ²printer ink